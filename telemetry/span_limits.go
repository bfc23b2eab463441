package telemetry

import "unicode/utf8"

// spanLimits are those that the environment can set; negative is without.
type spanLimits struct {
	count  int // of attributes
	length int // of an attribute's text, in characters
	links  int
}

// newSpanLimits follows the variables that the SDK follows.
func newSpanLimits() spanLimits {
	return spanLimits{
		count:  number(128, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"),
		length: number(-1, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
		links:  number(128, "OTEL_SPAN_LINK_COUNT_LIMIT"),
	}
}

// cut is the beginning of s that is within the limit.
func (l spanLimits) cut(s string) string {
	if l.length < 0 || len(s) <= l.length || utf8.RuneCountInString(s) <= l.length {
		return s
	}
	end := 0
	for range l.length {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return s[:end]
}
