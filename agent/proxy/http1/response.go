package http1

import "github.com/outrigger-sidecar/outrigger/agent/proxy/message"

// ParseResponse reads the head of an answer to a request with a method, which
// is all of head, into r. What r held before is gone. Its bytes stay those of
// head. The error is nil or an *Error, whose status is 502.
func ParseResponse(head []byte, l Limits, method []byte, r *message.Response) error {
	r.Reset()
	if e := parseResponse(head, l, method, r); e != nil {
		e.Status = 502
		return e
	}
	return nil
}

func parseResponse(head []byte, l Limits, method []byte, r *message.Response) *Error {
	line, next, e := firstLine(head, l)
	if e != nil {
		return e
	}
	minor, e := statusLine(line, r)
	if e != nil {
		return e
	}
	f := framing{length: message.Unknown}
	if e := f.fields(head, next, l.fields(), &r.Header); e != nil {
		return e
	}
	if e := f.judge(minor); e != nil {
		return e
	}
	r.Last = f.last(minor)
	r.Head = string(method) == "HEAD"
	switch {
	case r.Status < 200:
		// A body would be read as the answer that is to follow.
		if f.coded || f.length > 0 {
			return bad("an interim answer with a body")
		}
		if r.Status == 101 {
			r.Upgrade = f.upgraded(minor)
		}
	case r.Status == 204:
		// Should a body come all the same, it is not taken for an answer.
		r.Last = r.Last || f.coded || f.length > 0
	case r.Head || r.Status == 304:
		r.Declared = f.length
	case string(method) == "CONNECT" && r.Status < 300:
	case f.chunked:
		r.Length = message.Unknown
	case f.length != message.Unknown:
		r.Length = f.length
	default:
		r.Length, r.UntilEOF, r.Last = message.Unknown, true, true
	}
	return nil
}

// statusLine reads "HTTP/1.1 200 OK". The reason may be empty, with or without
// the space before it.
func statusLine(line []byte, r *message.Response) (minor int, e *Error) {
	const form = "HTTP/1.1 200"
	if len(line) < len(form) || line[8] != ' ' {
		return 0, bad("the status line is malformed")
	}
	if minor, e = version(line[:8]); e != nil {
		return 0, e
	}
	for _, c := range line[9:len(form)] {
		if c < '0' || c > '9' {
			return 0, bad("the status is malformed")
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 || r.Status > 599 {
		return 0, bad("there is no such status")
	}
	if rest := line[len(form):]; len(rest) > 0 && (rest[0] != ' ' || !clean(rest)) {
		return 0, bad("the status line is malformed")
	}
	r.Major = 1
	return minor, nil
}
