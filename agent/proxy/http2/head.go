package http2

import (
	"strconv"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// The indexes of names, and of names with a value, in HPACK's static table
// (RFC 7541 appendix A).
const (
	staticAuthority     = 1
	staticMethod        = 2 // GET
	staticMethodPost    = 3
	staticPath          = 4 // "/"
	staticSchemeHTTP    = 6
	staticSchemeHTTPS   = 7
	staticStatus        = 8 // 200
	staticContentLength = 28
)

// Their size counts in the table, even where their index stands for them.
var (
	nameAuthority = []byte(":authority")
	nameMethod    = []byte(":method")
	namePath      = []byte(":path")
	nameStatus    = []byte(":status")
	hundred       = []byte("100-continue")
)

// staticStatuses are the answers that are one byte.
var staticStatuses = map[int]int{200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14}

// staticNames are the indexes by name.
func staticName(n message.Name) int {
	switch n {
	case message.AcceptEncoding:
		return 16
	case message.Age:
		return 21
	case message.Authorization:
		return 23
	case message.CacheControl:
		return 24
	case message.ContentEncoding:
		return 26
	case message.ContentType:
		return 31
	case message.Cookie:
		return 32
	case message.Date:
		return 33
	case message.Expect:
		return 35
	case message.Location:
		return 46
	case message.ProxyAuthenticate:
		return 48
	case message.ProxyAuthorization:
		return 49
	case message.RetryAfter:
		return 53
	case message.Server:
		return 54
	case message.SetCookie:
		return 55
	case message.UserAgent:
		return 58
	case message.Via:
		return 60
	}
	return 0
}

// connected tells of fields that HTTP/2 knows nothing of, since they are of a
// connection of HTTP/1.1, and of those that it has other places for.
func connected(n message.Name) bool {
	switch n {
	case message.Connection, message.KeepAlive, message.ProxyConnection, message.TransferEncoding,
		message.Upgrade, message.HTTP2Settings, message.Host, message.ContentLength:
		return true
	}
	return false
}

func appendLower(b, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// request writes the head of a request.
func (e *encoder) request(b []byte, r *message.Request, scheme int) []byte {
	b = e.begin(b)
	switch string(r.Method) {
	case "GET":
		b = append(b, 0x80|staticMethod)
	case "POST":
		b = append(b, 0x80|staticMethodPost)
	default:
		b = e.field(b, staticMethod, nameMethod, r.Method, false)
	}
	b = append(b, 0x80|byte(scheme))
	if len(r.Authority) > 0 {
		b = e.field(b, staticAuthority, nameAuthority, r.Authority, false)
	}
	if len(r.Target) == 1 && r.Target[0] == '/' {
		b = append(b, 0x80|staticPath)
	} else {
		b = e.field(b, staticPath, namePath, r.Target, false)
	}
	if r.Length > 0 {
		b = e.length(b, r.Length)
	}
	if r.Expect && !r.Header.Has(message.Expect) {
		b = e.field(b, staticName(message.Expect), message.Expect.Lower(), hundred, false)
	}
	return e.header(b, &r.Header)
}

// response writes the head of an answer, interim or final; with last there is
// nothing after it.
func (e *encoder) response(b []byte, r *message.Response, last bool) []byte {
	b = e.status(e.begin(b), r.Status)
	switch {
	case r.Length > 0:
		b = e.length(b, r.Length)
	case last && r.Declared != message.Unknown && r.Status != 204:
		b = e.length(b, r.Declared)
	}
	return e.header(b, &r.Header)
}

func (e *encoder) status(b []byte, status int) []byte {
	if i, ok := staticStatuses[status]; ok {
		return append(b, 0x80|byte(i))
	}
	var digits [3]byte
	return e.field(b, staticStatus, nameStatus, strconv.AppendInt(digits[:0], int64(status), 10), false)
}

func (e *encoder) length(b []byte, n int64) []byte {
	var digits [20]byte
	return e.field(b, staticContentLength, message.ContentLength.Lower(), strconv.AppendInt(digits[:0], n, 10), false)
}

// trailer writes what comes after a body.
func (e *encoder) trailer(b []byte, h *message.Header) []byte { return e.header(e.begin(b), h) }

func (e *encoder) header(b []byte, h *message.Header) []byte {
	for i := range h.Len() {
		f := h.At(i)
		if connected(f.Key) || f.Key == message.TE && !message.EqualFold(f.Value, "trailers") {
			continue
		}
		name := f.Key.Lower()
		if f.Key == message.Other {
			e.name = appendLower(e.name[:0], f.Name)
			name = e.name
		}
		b = e.field(b, staticName(f.Key), name, f.Value, secret(f.Key))
	}
	return b
}
