package http1

import (
	"bytes"
	"math"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// framing is what the fields of one head say of its body and its connection.
type framing struct {
	request   bool
	length    int64 // of Content-Length; Unknown: there is none
	coded     bool  // there is a Transfer-Encoding
	chunked   bool  // that says chunked, last
	foreign   bool  // and another coding as well
	options   int   // how many there are in Connection
	close     bool  // are these among them
	keepAlive bool
	switches  bool   // "upgrade"
	upgrade   []byte // the first protocol of Upgrade that can be gone on with
	expect    bool   // 100-continue
	hosts     int
	host      []byte
}

// maxOptions is how many options a Connection header may have. Each takes a
// look at every field, and nobody needs more than three.
const maxOptions = 64

// take notes what a field says of the framing, and tells whether it stays
// in the header.
func (f *framing) take(key message.Name, value []byte) (keep bool, e *Error) {
	switch key {
	case message.ContentLength:
		return false, f.contentLength(value)
	case message.TransferEncoding:
		return false, f.transferEncoding(value)
	case message.Connection:
		return true, f.connection(value)
	case message.Upgrade:
		f.upgradeTo(value)
	case message.Trailer:
		return true, trailerNames(value)
	case message.Host:
		if f.request {
			f.hosts++
			f.host = value
			return false, nil
		}
	case message.Expect:
		if f.request {
			return false, f.expectation(value)
		}
	}
	return true, nil
}

// contentLength takes 1*DIGIT, once. RFC 9110 section 8.6 allows to mend a
// length that is repeated in equal copies; that it is refused as well costs
// nobody anything, and leaves nothing to be read in two ways.
func (f *framing) contentLength(value []byte) *Error {
	if f.length != message.Unknown {
		return bad("Content-Length is repeated")
	}
	const digits = 19 // of the largest int64
	if len(value) == 0 || len(value) > digits {
		return bad("Content-Length is malformed")
	}
	var n uint64 // 19 digits fit
	for _, c := range value {
		if c < '0' || c > '9' {
			return bad("Content-Length is malformed")
		}
		n = n*10 + uint64(c-'0')
	}
	if n > math.MaxInt64 {
		return bad("Content-Length is malformed")
	}
	f.length = int64(n)
	return nil
}

// transferEncoding goes through the codings in all lines, without leave for
// empty ones.
func (f *framing) transferEncoding(value []byte) *Error {
	f.coded = true
	for more := true; more; {
		var coding []byte
		coding, value, more = bytes.Cut(value, comma)
		switch coding = message.Trim(coding); {
		case len(coding) == 0:
			return bad("Transfer-Encoding is malformed")
		case f.chunked:
			return bad("chunked is not the last coding in Transfer-Encoding")
		case message.EqualFold(coding, "chunked"):
			f.chunked = true
		default:
			f.foreign = true
		}
	}
	return nil
}

var comma = []byte{','}

func (f *framing) connection(value []byte) *Error {
	for len(value) > 0 {
		var option []byte
		option, value, _ = bytes.Cut(value, comma)
		switch option = message.Trim(option); {
		case message.EqualFold(option, "close"):
			f.close = true
		case message.EqualFold(option, "keep-alive"):
			f.keepAlive = true
		case message.EqualFold(option, "upgrade"):
			f.switches = true
		}
		if f.options++; f.options > maxOptions {
			return bad("Connection has too many options")
		}
	}
	return nil
}

// upgradeTo chooses among the protocols that are offered the first one that is
// not HTTP/2: that is spoken by prior knowledge only, and a tunnel of it would
// slip past the balancer.
func (f *framing) upgradeTo(value []byte) {
	for len(value) > 0 && f.upgrade == nil {
		var to []byte
		to, value, _ = bytes.Cut(value, comma)
		if to = message.Trim(to); protocol(to) && !message.EqualFold(to, "h2c") {
			f.upgrade = to
		}
	}
}

// protocol tells whether b is a name of a protocol, with or without a version.
func protocol(b []byte) bool {
	name, version, versioned := bytes.Cut(b, slash)
	return all(name, token) && (!versioned || all(version, token))
}

var slash = []byte{'/'}

func (f *framing) expectation(value []byte) *Error {
	for len(value) > 0 {
		var what []byte
		what, value, _ = bytes.Cut(value, comma)
		switch what = message.Trim(what); {
		case message.EqualFold(what, "100-continue"):
			f.expect = true
		case len(what) > 0:
			return &Error{417, "an expectation that is not known"}
		}
	}
	return nil
}

// trailerNames refuses the promise of trailers that would frame the message.
func trailerNames(value []byte) *Error {
	for len(value) > 0 {
		var name []byte
		name, value, _ = bytes.Cut(value, comma)
		switch message.NameOf(message.Trim(name)) {
		case message.ContentLength, message.TransferEncoding, message.Trailer:
			return bad("Trailer names a field that cannot be one")
		}
	}
	return nil
}

// judge refuses what leaves two ways to read where the body ends.
func (f *framing) judge(minor int) *Error {
	switch {
	case !f.coded:
		return nil
	case f.length != message.Unknown:
		return bad("both Content-Length and Transfer-Encoding")
	case minor == 0:
		return bad("Transfer-Encoding in HTTP/1.0")
	case f.foreign:
		return &Error{501, "a transfer coding other than chunked"}
	}
	return nil
}

// last tells whether the connection ends with the message.
func (f *framing) last(minor int) bool { return f.close || minor == 0 && !f.keepAlive }

// upgraded is the protocol to go on with; nil for none.
func (f *framing) upgraded(minor int) []byte {
	if !f.switches || minor == 0 { // RFC 9110 section 7.8
		return nil
	}
	return f.upgrade
}
