package consul

import (
	"context"
	"net"
)

// socketDialer connects to a unix socket, whatever address is asked for.
type socketDialer struct {
	*net.Dialer
	path string
}

func (d socketDialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return d.DialContext(ctx, "unix", d.path)
}
