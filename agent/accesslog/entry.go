// Package accesslog writes a line for each request, and for each connection that
// is only carried: as JSON, in the common log format, or as a format string has
// it. Neither ever waits for its line: what finds no room in a bounded buffer is
// dropped and counted.
//
// What clients and backends sent is escaped, so that no value can end a line,
// leave its quotes or drive a terminal. Of headers only those are written that
// are named, and of URLs never the query; what holds credentials cannot be
// named (see Denied).
package accesslog

import "time"

// Entry is one request, or one connection. The zero value of a field says that
// it is not known; nothing of an Entry is kept when Record has returned.
type Entry struct {
	Time         time.Time     // when it began
	Duration     time.Duration // until its answer had ended
	UpstreamTime time.Duration // that its attempts took, together; of a connection until one had it
	Method       string
	Path         string // escaped as it came; a query in it is not written
	Protocol     string // such as "HTTP/1.1"; "TCP" of a connection
	Status       int    // of the answer; 0: there was none
	BytesIn      int64  // that the client sent, of a request in its body
	BytesOut     int64  // that it got, likewise
	Attempts     int    // at backends
	Upstream     string
	Backend      string // the last that was tried
	Zone         string // of that
	Outcome      string // ok, failed or client_cancelled
	Error        string // its kind, or why it failed
	Client       string // address
	TraceID      [16]byte
	SpanID       [8]byte

	// The values of the headers that the Log wants, in the order in which
	// Format.Headers names them.
	RequestHeaders, ResponseHeaders []string
}
