package proxy

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/proxyproto"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// Preface is how a TCP server tells and is told who is behind a
// connection. The zero value does neither.
type Preface struct {
	// Accept wants every connection to begin with a PROXY header, of either
	// version; one without it is closed, since to guess would let anybody be
	// anyone.
	Accept bool
	// Trusted are those who may connect, where Accept is set; others are
	// refused, since a header is believed. Unix sockets always may: their
	// file says who.
	Trusted []netip.Prefix
	Send    int // the version of the header that backends get; 0: none
}

// trusts tells whether a header from there is believed.
func (p *Preface) trusts(from net.Addr) bool {
	tcp, ok := from.(*net.TCPAddr)
	if !ok {
		return true
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(p.Trusted, func(t netip.Prefix) bool { return t.Contains(ip) })
}

// greet finds out who is behind the connection.
func (v *visit) greet() *failure {
	conn := v.app.NetConn()
	if !v.tcp.Proxy.Accept {
		return nil
	}
	if !v.tcp.Proxy.trusts(conn.RemoteAddr()) {
		return &failure{kind: BadRequest, err: errors.New("PROXY header: the peer is not trusted")}
	}
	v.enter(header, v.tcp.Timeouts.Header)
	defer v.enter(nothing, 0)
	who, ahead, err := readHeader(v.app)
	switch {
	case v.cutOff():
		return nil // forward finds out too
	case errors.Is(err, socket.ErrInterrupted):
		return &failure{kind: BadRequest, err: errHeader}
	case err != nil:
		return &failure{kind: BadRequest, err: err}
	case !who.Local && who.Source.IsValid():
		v.who = who
	}
	v.ahead = ahead
	return nil
}

// cutOff tells that a drain has ended the visit.
func (v *visit) cutOff() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.over
}

// readHeader reads a PROXY header, and what came right behind it.
func readHeader(c *socket.Conn) (who proxyproto.Header, ahead []byte, err error) {
	var all []byte
	for {
		b, n, err := c.Fill()
		if err != nil {
			return who, nil, err
		}
		all = append(all, b.B[:n]...)
		b.Free()
		who, n, err = proxyproto.Parse(all)
		if err == nil {
			return who, all[n:], nil
		}
		if !errors.Is(err, proxyproto.ErrShort) {
			return who, nil, err
		}
	}
}

// announce tells a backend who is behind the connection.
func (v *visit) announce(backend net.Conn) error {
	var b []byte
	switch v.tcp.Proxy.Send {
	case 1:
		b = proxyproto.AppendV1(nil, v.who)
	case 2:
		b = proxyproto.AppendV2(nil, v.who)
	default:
		return nil
	}
	_, err := backend.Write(b)
	return err
}

// key is what tells clients apart; "" for one of a unix socket.
func (v *visit) key() string {
	if !v.who.Source.IsValid() {
		return ""
	}
	return v.who.Source.Addr().Unmap().String()
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}
