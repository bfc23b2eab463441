package http1

import "github.com/outrigger-sidecar/outrigger/agent/proxy/message"

// fields reads the lines of a header from head[at:] up to the empty one, which
// must be the end of head. What tells of the framing goes to f, the rest to h.
func (f *framing) fields(head []byte, at, most int, h *message.Header) *Error {
	for n := 0; ; n++ {
		if len(head)-at <= len(crlf) {
			if string(head[at:]) != crlf {
				return bad("the header does not end in an empty line")
			}
			return nil
		}
		if n == most {
			return errFields()
		}
		name, value, next, e := field(head, at)
		if e != nil {
			return e
		}
		at = next
		key := message.NameOf(name)
		if keep, e := f.take(key, value); e != nil {
			return e
		} else if keep {
			h.Append(message.Field{Key: key, Name: name, Value: value})
		}
	}
}

// field reads the line of a header that begins at i, and where the next one
// does.
func field(b []byte, i int) (name, value []byte, next int, e *Error) {
	start := i
	for i < len(b) && class[b[i]]&token != 0 {
		i++
	}
	if i == start || i == len(b) || b[i] != ':' {
		return nil, nil, 0, badName(b, start, i)
	}
	name = b[start:i]
	i++
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	start, i = i, control(b, i)
	if len(b)-i < len(crlf) || b[i] != '\r' || b[i+1] != '\n' {
		return nil, nil, 0, badValue(b, i)
	}
	next = i + len(crlf)
	for i > start && (b[i-1] == ' ' || b[i-1] == '\t') {
		i--
	}
	return name, b[start:i:i], next, nil
}

// badName says what is wrong with a name that begins at start and ends before
// the byte at i, where there should be a colon.
func badName(b []byte, start, i int) *Error {
	if i == len(b) {
		return bad("the header is cut short")
	}
	switch c := b[i]; {
	case c == '\n' || c == '\r':
		return badValue(b, i)
	case (c == ' ' || c == '\t') && i == start:
		return bad("a line of the header is folded")
	case c == ' ' || c == '\t':
		return bad("white space before a colon in the header")
	case c == ':':
		return bad("a field of the header has no name")
	}
	return bad("a field of the header has a name that is no token")
}

// badValue says what is wrong with the control character at i.
func badValue(b []byte, i int) *Error {
	if i == len(b) {
		return bad("the header is cut short")
	}
	switch c := b[i]; {
	case c == '\n':
		return bad("a line ends in a bare LF")
	case c == '\r' && i+1 < len(b) && b[i+1] == '\n':
		return bad("a line of the header has no colon")
	case c == '\r':
		return bad("a bare CR")
	}
	return bad("a control character in the header")
}
