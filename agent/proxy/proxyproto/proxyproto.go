// Package proxyproto reads and writes the header of the PROXY protocol,
// versions 1 and 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt),
// by which one proxy tells the next who is behind a connection.
//
// It knows bytes only: what reads and writes them is elsewhere. It is strict,
// since what is taken for a header decides who somebody is.
package proxyproto

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
)

// MaxLen is the longest header that Parse takes. Version 2 allows 64 KiB, but
// nothing that is in use comes near this.
const MaxLen = 4 << 10

// ErrShort says that the header goes on after the bytes at hand, which are no
// mistake so far.
var ErrShort = errors.New("the PROXY header is not complete")

// Header tells who is behind a connection. The zero value tells nothing, as
// for a unix socket.
type Header struct {
	// Local says that nobody is: the sender speaks for itself, as in a health
	// check. There are no addresses then.
	Local bool
	// Source and Destination are of the first connection. Both are valid, or
	// neither.
	Source, Destination netip.AddrPort
}

// known tells that there are addresses to write.
func (h Header) known() bool { return !h.Local && h.Source.IsValid() && h.Destination.IsValid() }

// addresses are those to write, of one family: that of IPv4 if both are.
func (h Header) addresses() (source, destination netip.Addr) {
	s, d := h.Source.Addr().Unmap(), h.Destination.Addr().Unmap()
	if s.Is4() && d.Is4() {
		return s, d
	}
	return netip.AddrFrom16(s.As16()), netip.AddrFrom16(d.As16()) // without a zone, which is nothing to others
}

// Parse reads the header of either version with which b begins, and returns
// how many bytes it has. ErrShort asks for more bytes; any other error says
// that this is no header, however it goes on.
func Parse(b []byte) (h Header, n int, err error) {
	switch {
	case begins(b, signature1):
		return parse1(b)
	case begins(b, signature2):
		return parse2(b)
	}
	return Header{}, 0, malformed("it begins with neither signature")
}

// begins tells that b begins with s, as far as it goes.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return bytes.Equal(b[:n], []byte(s[:n]))
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("malformed PROXY header: "+format, args...)
}
