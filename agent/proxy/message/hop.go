package message

import "bytes"

// hop are the names of fields that belong to one connection and end with it
// (RFC 9110 section 7.6.1, and those of older practice), and of those that the
// codecs make anew from the rest of a message.
var hop = [names]bool{
	Connection: true, KeepAlive: true, ProxyConnection: true, ProxyAuthenticate: true, ProxyAuthorization: true,
	TE: true, Trailer: true, TransferEncoding: true, Upgrade: true, HTTP2Settings: true,
	Host: true, ContentLength: true, Expect: true,
}

// HopByHop tells whether fields of the name belong to one connection, or are
// written anew from the rest of a message, so that none of the peer's goes on.
func (n Name) HopByHop() bool { return hop[n] }

// kept are the names of fields that a Connection header cannot make
// hop-by-hop: a client must not be able to have the proxy drop what the hop
// before it said, and others rely on.
var kept = [names]bool{
	Traceparent: true, Tracestate: true, Baggage: true, B3: true, Via: true, Forwarded: true,
	XForwardedFor: true, XForwardedHost: true, XForwardedProto: true, XRequestID: true,
}

// keptToo are the beginnings of names that are kept as well.
var keptToo = []string{"x-forwarded-", "x-b3-", "x-real-ip"}

// EndToEnd adds to dst the fields of src that go on beyond this connection. It
// leaves out those that belong to it, by their names or because Connection
// names them, and Host, Content-Length and Expect, which a codec writes from
// the message. Connection cannot name those that tell of the client or trace
// it. The bytes stay those of src, which dst must not be.
//
// What it does grows with the number of fields times that of the options in
// Connection; the parsers bound both.
func EndToEnd(dst, src *Header) {
	first, named := len(dst.fields), false
	for i := range src.fields {
		switch f := &src.fields[i]; {
		case f.Key == Connection:
			named = named || namesFields(f.Value)
		case !hop[f.Key]:
			dst.fields = append(dst.fields, *f)
		}
	}
	if !named {
		return
	}
	goOn := dst.fields[:first]
	for _, f := range dst.fields[first:] {
		if keeps(&f) || !src.connectionNames(f.Name) {
			goOn = append(goOn, f)
		}
	}
	dst.fields = goOn
}

// namesFields tells whether a Connection header may name a field. Most say one
// word that names none.
func namesFields(value []byte) bool {
	return !equalFold(value, "keep-alive") && !equalFold(value, "close") && !equalFold(value, "upgrade")
}

func keeps(f *Field) bool {
	if f.Key != Other {
		return kept[f.Key]
	}
	for _, start := range keptToo {
		if len(f.Name) >= len(start) && equalFold(f.Name[:len(start)], start) {
			return true
		}
	}
	return false
}

func (h *Header) connectionNames(name []byte) bool {
	for i := range h.fields {
		if h.fields[i].Key != Connection {
			continue
		}
		for list := h.fields[i].Value; len(list) > 0; {
			var option []byte
			if option, list, _ = bytes.Cut(list, comma); equalFold(Trim(option), name) {
				return true
			}
		}
	}
	return false
}
