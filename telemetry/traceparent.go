package telemetry

import (
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// parent is what a traceparent header says (W3C Trace Context, section 3.2).
type parent struct {
	trace trace.TraceID
	span  trace.SpanID
	flags trace.TraceFlags
}

// traceparentSize is the length of a traceparent of version 00.
const traceparentSize = len("00-") + 32 + len("-") + 16 + len("-00")

// parseTraceparent reads a header by hand, since most requests that carry one
// are not sampled and need no more than to know that. Later versions may go on
// after another dash; this one may not.
func parseTraceparent(s []byte) (p parent, ok bool) {
	if len(s) < traceparentSize || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return parent{}, false
	}
	var version, flags [1]byte
	if !unhex(version[:], s[:2]) || !unhex(p.trace[:], s[3:35]) || !unhex(p.span[:], s[36:52]) || !unhex(flags[:], s[53:55]) {
		return parent{}, false
	}
	switch rest := s[traceparentSize:]; {
	case version[0] == 0xff,
		version[0] == 0 && (len(rest) != 0 || flags[0] > 3), // reserved bits: as the SDK judges
		len(rest) != 0 && rest[0] != '-',
		!p.trace.IsValid(), !p.span.IsValid():
		return parent{}, false
	}
	p.flags = trace.TraceFlags(flags[0]) & (trace.FlagsSampled | trace.FlagsRandom)
	return p, true
}

// unhex is hex.Decode for lower case alone.
func unhex(to, s []byte) bool {
	for i := range to {
		high, low := digits[s[2*i]], digits[s[2*i+1]]
		if high == 0 || low == 0 {
			return false
		}
		to[i] = (high-1)<<4 | (low - 1)
	}
	return true
}

// digits are what hexadecimal digits stand for, and one more; 0 is none. IDs are
// random, so that to look at what a digit is would be to guess wrong.
var digits = [256]byte{
	'0': 1, '1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8,
	'8': 9, '9': 10, 'a': 11, 'b': 12, 'c': 13, 'd': 14, 'e': 15, 'f': 16,
}

// append writes the header's value.
func (p parent) append(b []byte) []byte {
	b = append(b, "00-"...)
	b = append(hex.AppendEncode(b, p.trace[:]), '-')
	b = append(hex.AppendEncode(b, p.span[:]), '-')
	return hex.AppendEncode(b, []byte{byte(p.flags)})
}

// context is p as the SDK has it, with the state of vendors that came along.
// A broken state is dropped without harm to the rest (section 3.3).
func (p parent) context(tracestate []string) trace.SpanContext {
	state, err := trace.ParseTraceState(strings.Join(tracestate, ","))
	if err != nil {
		state = trace.TraceState{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: p.trace, SpanID: p.span, TraceFlags: p.flags, TraceState: state, Remote: true,
	})
}
