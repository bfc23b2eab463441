package accesslog

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// field is something that a line can have of a request.
type field struct {
	name string
	// Of the three one is set.
	text   func(*Entry) string
	number func([]byte, *Entry) []byte // appends digits; nothing where it is not known
	plain  func([]byte, *Entry) []byte // appends what needs no escaping; nothing where it is not known
	word   bool                        // of text: has no space, or that is not the sender's to decide
}

// bare appends what needs no escaping.
func (f *field) bare(b []byte, e *Entry) []byte {
	if f.number != nil {
		return f.number(b, e)
	}
	return f.plain(b, e)
}

// fields are all there are but headers, in the order in which JSON has them.
func fields() []field {
	return []field{
		{name: "time", plain: func(b []byte, e *Entry) []byte {
			if e.Time.IsZero() {
				return b
			}
			return e.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
		}},
		{name: "client", text: func(e *Entry) string { return e.Client }, word: true},
		{name: "method", text: func(e *Entry) string { return e.Method }, word: true},
		{name: "path", text: func(e *Entry) string { return withoutQuery(e.Path) }, word: true},
		{name: "protocol", text: func(e *Entry) string { return e.Protocol }, word: true},
		{name: "status", number: func(b []byte, e *Entry) []byte {
			if e.Status == 0 {
				return b
			}
			return strconv.AppendInt(b, int64(e.Status), 10)
		}},
		{name: "bytes_in", number: func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, e.BytesIn, 10) }},
		{name: "bytes_out", number: func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, e.BytesOut, 10) }},
		{name: "duration", number: func(b []byte, e *Entry) []byte { return appendSeconds(b, e.Duration) }},
		{name: "upstream_time", number: func(b []byte, e *Entry) []byte { return appendSeconds(b, e.UpstreamTime) }},
		{name: "attempts", number: func(b []byte, e *Entry) []byte { return strconv.AppendInt(b, int64(e.Attempts), 10) }},
		{name: "upstream", text: func(e *Entry) string { return e.Upstream }, word: true},
		{name: "backend", text: func(e *Entry) string { return e.Backend }, word: true},
		{name: "zone", text: func(e *Entry) string { return e.Zone }, word: true},
		{name: "outcome", text: func(e *Entry) string { return e.Outcome }, word: true},
		{name: "error", text: func(e *Entry) string { return e.Error }},
		{name: "trace_id", plain: func(b []byte, e *Entry) []byte {
			if e.TraceID == ([16]byte{}) {
				return b
			}
			return hex.AppendEncode(b, e.TraceID[:])
		}},
		{name: "span_id", plain: func(b []byte, e *Entry) []byte {
			if e.SpanID == ([8]byte{}) {
				return b
			}
			return hex.AppendEncode(b, e.SpanID[:])
		}},
	}
}

// commonTime is the time in the manner of the common log format, beside the
// fields that JSON has.
func commonTime() field {
	return field{name: "time_common", plain: func(b []byte, e *Entry) []byte {
		if e.Time.IsZero() {
			return b
		}
		return e.Time.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	}}
}

// appendSeconds writes seconds, to the microsecond.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := max(0, d.Microseconds())
	b = strconv.AppendInt(b, us/1e6, 10)
	b = append(b, '.')
	at := len(b)
	b = strconv.AppendInt(b, 1e6+us%1e6, 10) // a digit more, to keep the zeros
	copy(b[at:], b[at+1:])
	return b[:len(b)-1]
}

// withoutQuery is a URL or path without what may be secret in it.
func withoutQuery(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i]
	}
	return s
}
