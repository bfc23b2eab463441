package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
)

// hopByHop are the fields that belong to one connection and end with it
// (RFC 9110 section 7.6.1, and those of older practice).
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
}

// keptAnyway are fields that a Connection header cannot make hop-by-hop: a
// client must not be able to have the proxy drop what others rely on.
var keptAnyway = []string{
	"Host", "Content-Length", "Traceparent", "Tracestate", "Baggage", "Via", "Forwarded",
	"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}

// endToEnd returns a copy of h without the fields of its connection. With room
// for a few more, since the caller adds some.
func endToEnd(h http.Header) http.Header {
	out := make(http.Header, len(h)+6)
	for name, values := range h {
		if !slices.Contains(hopByHop, name) {
			out[name] = values
		}
	}
	for _, list := range h["Connection"] {
		for token := range strings.SplitSeq(list, ",") {
			name := textproto.CanonicalMIMEHeaderKey(textproto.TrimString(token))
			if !slices.Contains(keptAnyway, name) {
				delete(out, name)
			}
		}
	}
	return out
}

// upgrade is the protocol that h asks or agrees to switch to, "" for none. The
// h2c upgrade counts as none: HTTP/2 is spoken by prior knowledge only, and a
// tunnel of it would slip past the balancer.
func upgrade(h http.Header) string {
	if !hasToken(h["Connection"], "upgrade") {
		return ""
	}
	to := h.Get("Upgrade")
	if strings.EqualFold(to, "h2c") {
		return ""
	}
	return to
}

func hasToken(lists []string, token string) bool {
	for _, list := range lists {
		for t := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(textproto.TrimString(t), token) {
				return true
			}
		}
	}
	return false
}

// forwarded adds what a backend should know of the client to out. What the
// client itself says of that is believed when it runs on this machine, as the
// app does, which may be passing on what it was told.
func forwarded(out http.Header, r *http.Request) {
	client := clientIP(r.RemoteAddr)
	if !local(client) {
		delete(out, "X-Forwarded-For")
		delete(out, "X-Forwarded-Host")
		delete(out, "X-Forwarded-Proto")
		delete(out, "Forwarded")
	}
	if client != "" {
		appendTo(out, "X-Forwarded-For", client)
	}
	if _, ok := out["X-Forwarded-Host"]; !ok && r.Host != "" {
		out["X-Forwarded-Host"] = []string{r.Host}
	}
	if _, ok := out["X-Forwarded-Proto"]; !ok {
		out["X-Forwarded-Proto"] = []string{"http"}
	}
	via := "1.1 outrigger"
	switch {
	case r.ProtoMajor == 2:
		via = "2 outrigger"
	case r.ProtoMinor == 0:
		via = "1.0 outrigger"
	}
	appendTo(out, "Via", via)
}

// appendTo adds to a list in one line, without writing into values that out
// shares with the request it was copied from.
func appendTo(out http.Header, name, value string) {
	if before := out[name]; len(before) > 0 {
		value = strings.Join(before, ", ") + ", " + value
	}
	out[name] = []string{value}
}

// clientIP is the address without its port; "" for a unix socket.
func clientIP(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return ""
	}
	return host
}

// local tells that the client runs on this machine.
func local(ip string) bool {
	if ip == "" {
		return true // a unix socket
	}
	addr, err := netip.ParseAddr(ip)
	return err == nil && addr.Unmap().IsLoopback()
}
