package proxy

import (
	"net/netip"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// forward makes what is sent to a backend from what the client sent.
func forward(out, r *message.Request) {
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
	forwarded(&out.Header, r)
}

var localhost = []byte("localhost")

// forwarded adds what a backend should know of the client to h. What the
// client itself says of that is believed when it runs on this machine, as the
// app does, which may be passing on what it was told.
func forwarded(h *message.Header, r *message.Request) {
	if !local(r.Peer) {
		h.DelFunc(func(f *message.Field) bool {
			switch f.Key {
			case message.XForwardedFor, message.XForwardedHost, message.XForwardedProto, message.Forwarded:
				return true
			}
			return false
		})
	}
	if r.Peer.IsValid() {
		list := appendList(h, message.XForwardedFor)
		h.Append(message.Known(message.XForwardedFor, h.Keep(r.Peer.Addr().Unmap().AppendTo(list))))
	}
	if !h.Has(message.XForwardedHost) && len(r.Authority) > 0 {
		h.Append(message.Known(message.XForwardedHost, r.Authority))
	}
	if !h.Has(message.XForwardedProto) {
		h.Add(message.XForwardedProto, "http")
	}
	via := "1.1 outrigger"
	switch {
	case r.Major == 2:
		via = "2 outrigger"
	case r.Minor == 0:
		via = "1.0 outrigger"
	}
	h.Append(message.Known(message.Via, h.Keep(append(appendList(h, message.Via), via...))))
}

// appendList takes the fields of a name out of h and begins a value in h's room
// that lists what they held, for one more to be added.
func appendList(h *message.Header, n message.Name) []byte {
	list := h.Room()
	if !h.Has(n) {
		return list
	}
	for f := range h.All() {
		if f.Key == n {
			list = append(append(list, f.Value...), ", "...)
		}
	}
	h.Del(n)
	return list
}

// local tells that the client runs on this machine.
func local(peer netip.AddrPort) bool {
	return !peer.IsValid() || peer.Addr().Unmap().IsLoopback() // a unix socket has no address
}
