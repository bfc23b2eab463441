// Package http1 reads and writes messages of HTTP/1.1 and 1.0 (RFC 9110, 9112)
// in memory: bytes in, messages out, and back. It does no input or output, so
// that whatever moves bytes can stand under it, and on the way of every day it
// takes no memory.
//
// It is strict, since most attacks on a proxy live from a message that two
// readers read in two ways. What is ambiguous is refused and never mended, and
// what goes on is written anew from what was understood. What goes beyond the
// RFCs in that is told where it is done.
package http1

import "bytes"

// Limits bound the head of a message, and the trailers at its end.
type Limits struct {
	Bytes  int // of a head with its first line, or of trailers; 0: 64 KiB
	Fields int // lines of a header; 0: 256
	Line   int // bytes of the first line without its end; 0: 8 KiB
}

func (l Limits) bytes() int  { return or(l.Bytes, 64<<10) }
func (l Limits) fields() int { return or(l.Fields, 256) }
func (l Limits) line() int   { return or(l.Line, 8<<10) }

func or(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Error says what is wrong with bytes that came in. The text is ours and has
// none of them in it, so that it can be shown and logged. After an error
// nothing more can be read from a connection.
type Error struct {
	Status int    // what a client is to be told: of its request, or 502 of an answer. 400 of any body
	Text   string // what is wrong
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

func bad(text string) *Error { return &Error{400, text} }

// TooLarge tells whether what has come of a head, which has no end yet, is
// beyond the limits. It is nil or an *Error, with a status as for a request. The
// number of fields is looked at when the head is there.
func TooLarge(partial []byte, l Limits) error {
	partial = withoutEmptyLine(partial)
	// Its end is not among the bytes that the longest line would take.
	if longest := l.line() + len(crlf); len(partial) >= longest && bytes.IndexByte(partial[:longest], '\n') < 0 {
		return errLine()
	}
	if len(partial) >= l.bytes() {
		return errBytes()
	}
	return nil
}

func errLine() *Error   { return &Error{414, "the first line is too long"} }
func errBytes() *Error  { return &Error{431, "the header is too large"} }
func errFields() *Error { return &Error{431, "the header has too many fields"} }
