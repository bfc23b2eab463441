package http1

import (
	"bytes"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// checkTarget allows what can be seen, without a fragment, and in the path
// wants two digits after each percent sign. In a query a lone one is too common
// to refuse.
func checkTarget(b []byte) *Error {
	if !all(b, target) {
		return bad("the target is malformed")
	}
	at := bytes.IndexByte(b, '%')
	if at < 0 {
		return nil
	}
	path, _, _ := bytes.Cut(b, question)
	for ; at < len(path); at++ {
		if path[at] == '%' && (len(path)-at < 3 || digit(path[at+1]) > 15 || digit(path[at+2]) > 15) {
			return bad("the target is malformed")
		}
	}
	return nil
}

var question = []byte{'?'}

// authority brings together what the target and Host say of the host that is
// asked, and leaves a target in origin-form, or "*".
//
// There is one Host, which HTTP/1.0 may leave out. It may be empty, as of a
// client that calls over a unix socket. A target in absolute-form has to name
// the same host: which of the two others would follow is anyone's guess.
func authority(r *message.Request, f *framing) *Error {
	switch {
	case f.hosts > 1:
		return bad("more than one Host")
	case f.hosts == 0 && r.Minor > 0:
		return bad("no Host")
	case f.hosts == 1 && !validAuthority(f.host):
		return bad("Host is malformed")
	}
	r.Authority = f.host
	switch {
	case r.Target[0] == '/':
		return nil
	case string(r.Target) == "*":
		if string(r.Method) != "OPTIONS" {
			return bad("the target * is for OPTIONS")
		}
		return nil
	}
	return absolute(r, f.hosts == 1)
}

// absolute turns a target in absolute-form into origin-form.
func absolute(r *message.Request, hosted bool) *Error {
	const scheme = "http://" // https has no business on a connection without TLS: RFC 9110 section 7.4
	if len(r.Target) < len(scheme) || !message.EqualFold(r.Target[:len(scheme)], scheme) {
		return bad("the target is malformed")
	}
	named, path := r.Target[len(scheme):], []byte(nil)
	if end := bytes.IndexAny(named, "/?"); end >= 0 {
		named, path = named[:end], named[end:]
	}
	switch {
	case len(named) == 0 || !validAuthority(named) || bytes.IndexByte(named, '%') >= 0:
		return bad("the target is malformed")
	case hosted && !bytes.EqualFold(named, r.Authority):
		return bad("the target names another host than Host")
	}
	r.Authority = named
	switch {
	case len(path) == 0 && string(r.Method) == "OPTIONS": // RFC 9112 section 3.2.4
		r.Target = asterisk
	case len(path) == 0:
		r.Target = slash
	case path[0] == '?':
		r.Target = r.Header.Keep(append(append(r.Header.Room(), '/'), path...))
	default:
		r.Target = path
	}
	return nil
}

var asterisk = []byte{'*'}
