// Package wire is what the generator and the backends of the bench say to each
// other: just enough of HTTP/1.1, and exchanges of bytes over TCP. It is quick
// because both share the machine with the proxy that is measured, and it may be
// simple because the bench knows all that is ever sent.
package wire

import (
	"bytes"
	"errors"
	"strconv"
)

// ErrHead is a head that is neither of the bench nor of a proxy in its right mind.
var ErrHead = errors.New("malformed head of a message")

// Head is what the bench has to know of the head of a request or an answer.
type Head struct {
	First  []byte // its first line, a part of what was parsed
	Length int    // of the body; -1 is not told
	Close  bool   // the connection ends after this message
}

// Parse reads the head that data begins with. size is 0 as long as it is not
// there as a whole.
func Parse(data []byte) (h Head, size int, err error) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return Head{}, 0, nil
	}
	h.Length = -1
	lines := data[:end+2]
	for i := 0; len(lines) > 0; i++ {
		line, rest, ok := bytes.Cut(lines, []byte("\r\n"))
		if !ok || len(line) == 0 {
			return Head{}, 0, ErrHead
		}
		lines = rest
		if i == 0 {
			h.First = line
			continue
		}
		if c := line[0] | 0x20; c != 'c' && c != 't' {
			continue
		}
		if err := h.field(line); err != nil {
			return Head{}, 0, err
		}
	}
	return h, end + 4, nil
}

func (h *Head) field(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return ErrHead
	}
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil || h.Length >= 0 {
			return ErrHead
		}
		h.Length = int(n)
	case bytes.EqualFold(name, []byte("Connection")):
		h.Close = bytes.EqualFold(value, []byte("close"))
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		return errors.New("a chunked body, where every body of the bench has a length")
	}
	return nil
}

// Status is the code in the first line of an answer; 0 where that is none.
func (h Head) Status() int {
	const begin = len("HTTP/1.1 ")
	if len(h.First) < begin+3 || !bytes.HasPrefix(h.First, []byte("HTTP/1.")) {
		return 0
	}
	code, err := strconv.ParseUint(string(h.First[begin:begin+3]), 10, 16)
	if err != nil {
		return 0
	}
	return int(code)
}
