package proxy

import (
	"net/netip"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/rewrite"
)

// Headers say how an HTTP server changes the headers that pass it. The zero
// value adds X-Forwarded-* and Via, and trusts this machine.
type Headers struct {
	NoXForwarded bool           // adds no X-Forwarded-For, -Host and -Proto
	NoVia        bool           // adds no Via
	Forwarded    bool           // adds Forwarded (RFC 7239)
	RequestID    bool           // makes an X-Request-Id where a request has none
	Trusted      []netip.Prefix // whose word on whom they forward for is passed on, beside unix sockets; nil: this machine
	Request      rewrite.Rules  // for requests to backends
	Response     rewrite.Rules  // for answers of backends
}

// forwarding is what backends are told of the way that a request came.
type forwarding struct {
	Headers
	request, response *rewrite.Edits
}

func newForwarding(h Headers) forwarding {
	return forwarding{Headers: h, request: rewrite.Compile(h.Request), response: rewrite.Compile(h.Response)}
}

// trusts tells whether a peer is believed. By default one is that runs on this
// machine, as the app does, which may be passing on what it was told.
func (w *forwarding) trusts(peer netip.AddrPort) bool {
	if !peer.IsValid() {
		return true // a unix socket has no address: its file says who may connect
	}
	ip := peer.Addr().Unmap().WithZone("")
	if w.Trusted == nil {
		return ip.IsLoopback()
	}
	for _, t := range w.Trusted {
		if t.Contains(ip) {
			return true
		}
	}
	return false
}

// tell adds to h what a backend should know of the client of r. What the
// client itself says of that goes on only if it is trusted.
func (w *forwarding) tell(h *message.Header, r *message.Request) {
	if !w.trusts(r.Peer) {
		h.DelFunc(func(f *message.Field) bool {
			switch f.Key {
			case message.XForwardedFor, message.XForwardedHost, message.XForwardedProto, message.Forwarded:
				return true
			}
			return false
		})
	}
	if !w.NoXForwarded {
		tellX(h, r)
	}
	if w.Forwarded {
		value := appendForwarded(appendList(h, message.Forwarded), r)
		h.Append(message.Known(message.Forwarded, h.Keep(value)))
	}
	if !w.NoVia {
		via := "1.1 outrigger"
		switch {
		case r.Major == 2:
			via = "2 outrigger"
		case r.Minor == 0:
			via = "1.0 outrigger"
		}
		h.Append(message.Known(message.Via, h.Keep(append(appendList(h, message.Via), via...))))
	}
}

// tellX tells it as most have it, which no standard does.
func tellX(h *message.Header, r *message.Request) {
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
}

// appendForwarded appends an element of RFC 7239.
func appendForwarded(to []byte, r *message.Request) []byte {
	switch ip := r.Peer.Addr().Unmap(); {
	case !r.Peer.IsValid():
		to = append(to, "for=unknown"...) // section 6.2: over a unix socket there is no address
	case ip.Is6():
		to = append(ip.WithZone("").AppendTo(append(to, `for="[`...)), `]"`...)
	default:
		to = ip.AppendTo(append(to, "for="...))
	}
	if len(r.Authority) > 0 {
		to = append(to, `;host="`...)
		for _, c := range r.Authority {
			if c == '"' || c == '\\' {
				to = append(to, '\\')
			}
			to = append(to, c)
		}
		to = append(to, '"')
	}
	return append(to, ";proto=http"...)
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
