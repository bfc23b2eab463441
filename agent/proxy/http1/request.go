package http1

import (
	"bytes"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// ParseRequest reads the head of a request, which is all of head, into r. What
// r held before is gone, but for Peer. Its bytes stay those of head. The error
// is nil or an *Error.
func ParseRequest(head []byte, l Limits, r *message.Request) error {
	peer := r.Peer
	r.Reset()
	r.Peer = peer
	if e := parseRequest(withoutEmptyLine(head), l, r); e != nil {
		return e
	}
	return nil
}

func parseRequest(head []byte, l Limits, r *message.Request) *Error {
	line, next, e := firstLine(head, l)
	if e != nil {
		return e
	}
	if e := requestLine(line, r); e != nil {
		return e
	}
	f := framing{request: true, length: message.Unknown}
	if e := f.fields(head, next, l.fields(), &r.Header); e != nil {
		return e
	}
	if e := authority(r, &f); e != nil {
		return e
	}
	if e := f.judge(r.Minor); e != nil {
		return e
	}
	switch {
	case f.chunked:
		r.Length = message.Unknown
	case f.length > 0:
		r.Length = f.length
	}
	r.Last = f.last(r.Minor)
	r.Upgrade = f.upgraded(r.Minor)
	r.Expect = f.expect && r.Minor > 0 && r.Length != 0 // RFC 9110 section 10.1.1
	return nil
}

// firstLine is the first line of a head without its end, and where the next one
// begins, if both the line and the head are within the limits.
func firstLine(head []byte, l Limits) (line []byte, next int, e *Error) {
	lf := bytes.IndexByte(head, '\n')
	switch {
	case lf > l.line()+1:
		return nil, 0, errLine()
	case len(head) > l.bytes():
		return nil, 0, errBytes()
	case lf < 1 || head[lf-1] != '\r':
		return nil, 0, bad("a line ends in a bare LF")
	}
	return head[:lf-1], lf + 1, nil
}

// requestLine reads "GET /target HTTP/1.1", with one space and no more between
// the three.
func requestLine(line []byte, r *message.Request) *Error {
	i := 0
	for i < len(line) && class[line[i]]&token != 0 {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ' ' {
		return bad("the method is malformed")
	}
	r.Method = line[:i]
	rest := line[i+1:]
	end := bytes.LastIndexByte(rest, ' ')
	if end < 0 {
		return bad("the request line is malformed")
	}
	minor, e := version(rest[end+1:])
	if e != nil {
		return e
	}
	r.Major, r.Minor = 1, minor
	r.Target = rest[:end]
	if string(r.Method) == "CONNECT" {
		return &Error{405, "CONNECT is not for this proxy"}
	}
	return checkTarget(r.Target)
}

// version reads HTTP/1.1 or HTTP/1.0. Other versions are told from what is
// none.
func version(b []byte) (minor int, e *Error) {
	switch string(b) {
	case "HTTP/1.1":
		return 1, nil
	case "HTTP/1.0":
		return 0, nil
	}
	const form = "HTTP/0.0"
	if len(b) == len(form) && string(b[:5]) == form[:5] && digit(b[5]) < 10 && b[6] == '.' && digit(b[7]) < 10 {
		return 0, &Error{505, "a version of HTTP other than 1.0 and 1.1"}
	}
	return 0, bad("the version of HTTP is malformed")
}
