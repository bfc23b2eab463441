// Package probe has the probers for health checks over the network: HTTP, TCP
// and gRPC. They stand apart from packages lb and lb/health, which so need no
// network themselves. The package imports only the standard library.
package probe

import (
	"context"
	"net"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	network, addr := health.SplitAddress(address)
	return d.DialContext(ctx, network, addr)
}

// TCP probes by connecting. The zero value is ready to use.
type TCP struct{}

// Probe connects to the target and hangs up.
func (TCP) Probe(ctx context.Context, target health.Target) (string, error) {
	conn, err := dial(ctx, target.Address)
	if err != nil {
		return "", err
	}
	conn.Close()
	return "connected", nil
}
