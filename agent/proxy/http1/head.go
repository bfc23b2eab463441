package http1

import "bytes"

const crlf = "\r\n"

// End is the number of bytes that the head at the beginning of buf takes, with
// the empty line that ends it; 0 while it is not all there. from is how many
// bytes of buf the call before has seen, so that a head that comes byte by byte
// is looked at once.
//
// An empty line before a request is skipped (RFC 9112 section 2.2), one and no
// more. Lines that end in a bare LF count here: the head is found and then
// refused, where a stricter search would wait for an end that never comes. So
// is a second empty line.
func End(buf []byte, from int) int {
	start := len(buf) - len(withoutEmptyLine(buf))
	if n := emptyLine(buf[start:]); n > 0 {
		return start + n
	}
	// The last two bytes seen may begin an end of three: LF CR LF.
	for at := max(from-2, start); ; {
		lf := bytes.IndexByte(buf[at:], '\n')
		if lf < 0 {
			return 0
		}
		at += lf + 1
		if n := emptyLine(buf[at:]); n > 0 {
			return at + n
		}
	}
}

// emptyLine is the number of bytes of the empty line that b begins with, 0 if
// with none.
func emptyLine(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '\n':
		return 1
	case len(b) > 1 && b[0] == '\r' && b[1] == '\n':
		return 2
	}
	return 0
}

// withoutEmptyLine takes off the one empty line that may stand before a
// message: old clients send one after a body.
func withoutEmptyLine(head []byte) []byte {
	if len(head) >= len(crlf) && string(head[:len(crlf)]) == crlf {
		return head[len(crlf):]
	}
	return head
}
