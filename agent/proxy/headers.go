package proxy

import (
	"math/rand/v2"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/rewrite"
)

// forward makes what is sent to a backend from what the client sent.
func (w *forwarding) forward(out, r *message.Request) {
	out.Reset()
	out.Method, out.Target, out.Authority = r.Method, r.Target, r.Authority
	out.Major, out.Minor, out.Length, out.Expect, out.Upgrade = 1, 1, r.Length, r.Expect, r.Upgrade
	if out.Authority == nil {
		out.Authority = localhost // HTTP/1.0 need not name one
	}
	message.EndToEnd(&out.Header, &r.Header)
	if r.Header.HasToken(message.TE, "trailers") {
		out.Header.Add(message.TE, "trailers")
	}
	w.tell(&out.Header, r)
}

var localhost = []byte("localhost")

// identify gives a request an X-Request-Id where it is to have one and brought
// none: a random UUID (RFC 9562, version 4), which is what most make of it. All
// tries of a request, and whoever observes it, see the same.
func (w *forwarding) identify(r *message.Request) {
	if !w.RequestID || len(r.Header.Get(message.XRequestID)) > 0 {
		return
	}
	r.Header.Del(message.XRequestID)
	h := &r.Header
	h.Append(message.Known(message.XRequestID, h.Keep(appendUUID(h.Room(), rand.Uint64(), rand.Uint64()))))
}

func appendUUID(to []byte, high, low uint64) []byte {
	const digits = "0123456789abcdef"
	high = high&^0xf000 | 0x4000
	low = low&^(3<<62) | 2<<62
	for i := range 32 {
		half := high
		if i >= 16 {
			half = low
		}
		if i == 8 || i == 12 || i == 16 || i == 20 {
			to = append(to, '-')
		}
		to = append(to, digits[half>>(60-4*(i%16))&0xf])
	}
	return to
}

// AppendVariable implements rewrite.Values.
func (a *attempt) AppendVariable(to []byte, v rewrite.Variable) []byte {
	switch v {
	case rewrite.ClientIP:
		return append(to, a.ip...)
	case rewrite.Host:
		return append(to, a.out.Authority...)
	case rewrite.Method:
		return append(to, a.r.Method...)
	case rewrite.Path:
		return append(to, a.r.Path()...)
	case rewrite.RequestID:
		return append(to, a.r.Header.Get(message.XRequestID)...)
	case rewrite.Upstream:
		return append(to, a.http.Upstream...)
	case rewrite.BackendID:
		return append(to, a.lease.Server().ID...)
	case rewrite.BackendAddress:
		return append(to, a.lease.Server().Address...)
	}
	return to
}
