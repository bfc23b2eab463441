package http1

import (
	"strconv"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// AppendRequest adds the head of a request in HTTP/1.1, framed as Length says.
// With Last it asks to close, and with Upgrade to go on with that.
//
// What it is given comes from a parser that has refused what cannot be written.
// Should one have let something through, it stays harmless here: fields that
// would be two are left out, as are those that would speak of the framing, and
// the first line is bent until it is one. There is always a head, since without
// it the body that follows would be taken for one.
func AppendRequest(dst []byte, r *message.Request) []byte {
	dst = appendRequestLine(dst, r)
	dst = appendFields(dst, &r.Header)
	switch {
	case r.Length == message.Unknown:
		dst = append(dst, chunkedCoding...)
	case r.Length > 0 || usuallyHasBody(r.Method):
		dst = appendLength(dst, r.Length)
	}
	if r.Expect {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	dst = appendConnection(dst, connectionOptions{close: r.Last, te: r.Header.Has(message.TE)}, r.Upgrade)
	return append(dst, crlf...)
}

// usuallyHasBody is of methods that should say so when they have none (RFC 9110
// section 8.6).
func usuallyHasBody(method []byte) bool {
	switch string(method) {
	case "POST", "PUT", "PATCH":
		return true
	}
	return false
}

// AppendResponse adds the head of an answer in HTTP/1.minor, the client's
// version. A body that Head or the status rule out is declared at most, never
// framed. chunked tells how a body of Unknown length is framed: in chunks, or
// by the end of the connection, which the head then announces; HTTP/1.0 knows
// no chunks. Fields that cannot be written are left out, as are those that
// would speak of the framing.
func AppendResponse(dst []byte, r *message.Response, chunked bool, minor int) []byte {
	dst = appendStatusLine(dst, r.Status, minor)
	dst = appendFields(dst, &r.Header)
	if r.Status < 200 {
		dst = appendConnection(dst, connectionOptions{}, r.Upgrade)
		return append(dst, crlf...)
	}
	closes := r.Last
	switch {
	case r.Status == 204:
	case r.Head || r.Status == 304:
		if r.Declared >= 0 {
			dst = appendLength(dst, r.Declared)
		}
	case r.Length >= 0:
		dst = appendLength(dst, r.Length)
	case chunked:
		dst = append(dst, chunkedCoding...)
	default:
		closes = true
	}
	dst = appendConnection(dst, connectionOptions{close: closes, keepAlive: minor == 0 && !closes}, r.Upgrade)
	return append(dst, crlf...)
}

const chunkedCoding = "Transfer-Encoding: chunked\r\n"

func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, crlf...)
}

// connectionOptions are what Connection can say beside "Upgrade".
type connectionOptions struct{ close, keepAlive, te bool }

func appendConnection(dst []byte, o connectionOptions, upgrade []byte) []byte {
	upgrades := protocol(upgrade)
	if !upgrades && o == (connectionOptions{}) {
		return dst
	}
	dst = append(dst, "Connection: "...)
	start := len(dst)
	for _, option := range [...]struct {
		on   bool
		text string
	}{{o.close, "close"}, {o.keepAlive, "keep-alive"}, {o.te, "TE"}, {upgrades, "Upgrade"}} {
		if !option.on {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ", "...)
		}
		dst = append(dst, option.text...)
	}
	dst = append(dst, crlf...)
	if upgrades {
		dst = append(dst, "Upgrade: "...)
		dst = append(dst, upgrade...)
		dst = append(dst, crlf...)
	}
	return dst
}
