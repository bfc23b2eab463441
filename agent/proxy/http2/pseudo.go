package http2

import "github.com/outrigger-sidecar/outrigger/agent/proxy/message"

// pseudoField takes a field whose name begins with a colon.
func (b *block) pseudoField(name, value string) {
	var which pseudo
	var into *[]byte
	r := b.request
	switch {
	case b.regular:
	case b.response != nil && name == ":status":
		which = pseudoStatus
		b.response.Status = parseStatus(value)
	case r == nil:
	case name == ":method":
		which, into = pseudoMethod, &r.Method
	case name == ":path":
		which, into = pseudoPath, &r.Target
	case name == ":authority":
		which, into = pseudoAuthority, &r.Authority
	case name == ":scheme":
		which = pseudoScheme
		if value == "" {
			b.fault("an empty :scheme")
		}
	case name == ":protocol":
		which = pseudoProtocol
	}
	if which == 0 || b.pseudo&which != 0 {
		b.fault("a pseudo-field that is unknown, misplaced or there twice")
		return
	}
	b.pseudo |= which
	if into != nil {
		*into = b.header.Keep(append(b.header.Room(), value...))
	}
}

// finishRequest checks the head as a whole and fills in the rest of it. What
// is wrong with it goes into b.
func (b *block) finishRequest() {
	r := b.request
	r.Major = 2
	r.Length = lengthOf(b.length)
	if b.end {
		if b.length > 0 {
			b.fault("no DATA, and a Content-Length")
		}
		r.Length = 0
	}
	must, mustNot := pseudoMethod|pseudoScheme|pseudoPath, pseudoProtocol
	if string(r.Method) == "CONNECT" {
		must, mustNot = pseudoMethod|pseudoAuthority, 0
		if b.pseudo&pseudoProtocol == 0 {
			mustNot = pseudoScheme | pseudoPath
		}
	}
	switch {
	case b.pseudo&must != must || b.pseudo&mustNot != 0:
		b.fault("pseudo-fields are missing, or do not belong together")
	case !validToken(r.Method):
		b.fault("an invalid :method")
	case b.pseudo&pseudoPath != 0 && !validTarget(r):
		b.fault("an invalid :path")
	case b.pseudo&pseudoAuthority != 0 && b.host != nil && !message.EqualFold(b.host, string(r.Authority)):
		b.fault(":authority and Host differ")
	}
	if b.pseudo&pseudoAuthority == 0 {
		r.Authority = b.host
	}
	if !validAuthority(r.Authority) {
		b.fault("an invalid :authority or Host")
	}
	if len(r.Authority) == 0 {
		r.Authority = nil
	}
}

// finishResponse does the same for an answer, to a request that was HEAD or
// not.
func (b *block) finishResponse(head bool) {
	r := b.response
	r.Major, r.Length = 2, lengthOf(b.length)
	interim := r.Status >= 100 && r.Status < 200
	switch {
	case r.Status < 100 || r.Status > 999:
		b.fault("no :status, or an invalid one")
	case r.Status == 101:
		b.fault("status 101, which HTTP/2 does not have")
	case interim:
		if b.end {
			b.fault("an interim answer that is the last")
		}
		r.Length = 0
	case head || r.Status == 204 || r.Status == 304:
		r.Length, r.Declared = 0, b.length
	case b.end:
		if b.length > 0 {
			b.fault("no DATA, and a Content-Length")
		}
		r.Length, r.Declared = 0, b.length
	}
	if r.Length == 0 {
		b.length = 0
	}
}

// lengthOf is the length of a body that was declared to be n bytes long, of a
// stream that goes on after the head. Of one without a byte it is not known: it
// can still have trailers.
func lengthOf(n int64) int64 {
	if n == 0 {
		return message.Unknown
	}
	return n
}

func parseStatus(s string) int {
	if len(s) != 3 {
		return 0
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func parseLength(s string) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}
