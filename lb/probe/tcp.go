// Package probe has the probers for health checks over the network: HTTP, TCP
// and gRPC. They stand apart from packages lb and lb/health, which so need no
// network themselves. The package imports only the standard library.
package probe

import (
	"context"
	"net"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Handshake makes a secure connection of one to an address, and agrees with the
// server there on a protocol of ALPN, such as "h2"; on none if that is "". It
// closes conn where it fails.
type Handshake func(ctx context.Context, conn net.Conn, address, protocol string) (net.Conn, error)

// dial connects, and secures the connection unless h is nil.
func dial(ctx context.Context, address, protocol string, h Handshake) (net.Conn, error) {
	var d net.Dialer
	network, addr := health.SplitAddress(address)
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil || h == nil {
		return conn, err
	}
	return h(ctx, conn, address, protocol)
}

// TCP probes by connecting, and by a handshake where there is one to be made.
// The zero value is ready to use.
type TCP struct {
	Handshake Handshake // nil: none
}

// Probe connects to the target and hangs up.
func (p TCP) Probe(ctx context.Context, target health.Target) (string, error) {
	conn, err := dial(ctx, target.Address, "", p.Handshake)
	if err != nil {
		return "", err
	}
	conn.Close()
	if p.Handshake != nil {
		return "connected, and the handshake succeeded", nil
	}
	return "connected", nil
}
