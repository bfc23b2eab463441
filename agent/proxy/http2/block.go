package http2

import (
	"errors"

	"golang.org/x/net/http2/hpack"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// block is a head, or trailers, on its way in. Its fields go into the message
// as they are decoded, and its first fault is kept.
type block struct {
	limit  int // bytes of a head, as HPACK counts
	most   int // bytes of it as it is coded; more are not even waited for
	fields int // of a head
	open   bool
	id     uint32
	end    bool // END_STREAM

	stream   *stream           // nil: one that was turned away
	server   *ServerStream     // the new stream of request
	request  *message.Request  // what it is the head of; nil: not of a request
	response *message.Response // likewise
	header   *message.Header   // where fields go; nil: nowhere

	coded   int    // bytes before decoding
	size    int    // after
	large   bool   // larger than limit, or more than fields
	endless bool   // so much so that the rest is not waited for
	wrong   string // what makes it malformed; "" for nothing
	regular bool   // a field that is no pseudo-field came
	pseudo  pseudo // those that came
	length  int64  // Content-Length; Unknown
	host    []byte
	count   int // fields, a cookie's crumbs as one
	crumbs  int // fields of Cookie
}

// pseudo are pseudo-fields (RFC 9113 section 8.3).
type pseudo uint8

const (
	pseudoMethod pseudo = 1 << iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
	pseudoStatus
)

// headers deals with HEADERS.
func (c *conn) headers(f *frame) error {
	if f.stream == 0 {
		return fault(ProtocolError, "HEADERS of no stream")
	}
	itself := f.dependsOnItself()
	if err := f.unpad(); err != nil {
		return err
	}
	b := &c.block
	*b = block{limit: b.limit, most: b.most, fields: b.fields, open: true, id: f.stream, end: f.has(flagEndStream), length: message.Unknown}
	if err := c.side.opening(b, f); err != nil {
		return err
	}
	if itself {
		b.fault("a stream that depends on itself")
	}
	c.decoder.SetEmitEnabled(true)
	return c.fragment(f.payload, f.has(flagEndHeaders))
}

// keptHead is how large a head may be for its room to be kept for others.
const keptHead = 8 << 10

// smallFragment is a part of a head that is too small for a sound reason.
const smallFragment = 1024

// fragment deals with a part of a head.
func (c *conn) fragment(p []byte, end bool) error {
	b := &c.block
	if b.coded += len(p); len(p) < smallFragment && !end {
		if err := c.unproductive(); err != nil {
			return err
		}
	}
	_, err := c.decoder.Write(p)
	if err == nil && b.coded > b.most {
		err = hpack.ErrStringLength // it has gone on for long after it was too large
	}
	if errors.Is(err, hpack.ErrStringLength) {
		b.large, b.endless = true, true
		if err := c.side.opened(b); err != nil {
			return err
		}
		return fault(EnhanceYourCalm, "a head that is much too large")
	}
	if b.large {
		c.decoder.SetEmitEnabled(false) // but the table has to be followed
	}
	if err == nil && end {
		b.open = false
		err = c.decoder.Close()
	}
	if err != nil {
		return fault(CompressionError, "%v", err)
	}
	if !end {
		return nil
	}
	if b.stream != nil && b.size > keptHead {
		b.stream.large = true
	}
	if b.header != nil && b.crumbs > 1 {
		b.joinCookies()
	}
	return c.side.opened(b)
}

// fault notes what makes the head malformed.
func (b *block) fault(what string) {
	if b.wrong == "" {
		b.wrong = what
	}
}

// field takes one that was decoded.
func (b *block) field(f hpack.HeaderField) {
	if b.size += int(f.Size()); b.size > b.limit {
		b.large = true
	}
	if b.large || b.header == nil || b.wrong != "" {
		return
	}
	if !validValue(f.Value) {
		b.fault("a value with control characters, or white space around it")
		return
	}
	if f.Name != "" && f.Name[0] == ':' {
		b.pseudoField(f.Name, f.Value)
		return
	}
	b.regular = true
	if !b.another(f.Name) {
		return
	}
	if !validName(f.Name) {
		b.fault("an invalid name, or one in upper case")
		return
	}
	h := b.header
	name := append(h.Room(), f.Name...)
	key := message.NameOf(name)
	if key == message.Other {
		name = h.Keep(name)
	} else if name = key.Lower(); b.special(key, f.Value) {
		return
	}
	h.Append(message.Field{Key: key, Name: name, Value: h.Keep(append(h.Room(), f.Value...))})
}

// another counts a field, and tells whether it may still be there.
func (b *block) another(name string) bool {
	if name != "cookie" || b.crumbs == 0 {
		b.count++
	}
	b.large = b.count > b.fields
	return !b.large
}

// excess is what made the head too large.
func (b *block) excess() string {
	if b.count > b.fields {
		return "the header has too many fields"
	}
	return "the header is too large"
}

// special deals with fields that have to do with framing or have a place of
// their own, and tells whether that is all.
func (b *block) special(key message.Name, value string) bool {
	trailer := b.request == nil && b.response == nil
	switch key {
	case message.Connection, message.KeepAlive, message.ProxyConnection, message.TransferEncoding, message.Upgrade:
		b.fault("a field of a connection of HTTP/1.1")
	case message.TE:
		if value != "trailers" {
			b.fault("TE that asks for more than trailers")
		}
		return false
	case message.HTTP2Settings:
	case message.ContentLength:
		n, ok := parseLength(value)
		switch {
		case trailer: // it has come too late to mean anything
		case !ok || b.length != message.Unknown:
			b.fault("Content-Length is wrong, or there twice")
		default:
			b.length = n
		}
	case message.Host:
		if b.host != nil {
			b.fault("Host is there twice")
		}
		if b.request != nil {
			b.host = b.header.Keep(append(b.header.Room(), value...))
		}
	case message.Cookie:
		b.crumbs++
		return false
	case message.Expect:
		if b.request != nil && message.EqualFold([]byte(value), "100-continue") {
			b.request.Expect = true
		}
		return false
	default:
		return false
	}
	return true
}

// joinCookies makes one Cookie of the crumbs it was broken into (RFC 9113
// section 8.2.3), since HTTP/1.1 knows it as one.
func (b *block) joinCookies() {
	h := b.header
	all, first := h.Room(), true
	for f := range h.All() {
		if f.Key == message.Cookie {
			if !first {
				all = append(all, "; "...)
			}
			all, first = append(all, f.Value...), false
		}
	}
	all = h.Keep(all)
	first = true
	h.DelFunc(func(f *message.Field) bool {
		if f.Key != message.Cookie {
			return false
		}
		drop := !first
		f.Value, first = all, false
		return drop
	})
}
