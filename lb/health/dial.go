package health

import (
	"context"
	"net"
	"strings"
)

// SplitAddress turns a server's address into what net.Dial takes: host:port
// is TCP, unix:///path a unix socket.
func SplitAddress(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return "unix", path
	}
	return "tcp", address
}

func dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	network, addr := SplitAddress(address)
	return d.DialContext(ctx, network, addr)
}

// TCP probes by connecting. The zero value is ready to use.
type TCP struct{}

// Probe connects to the target and hangs up.
func (TCP) Probe(ctx context.Context, target Target) (string, error) {
	conn, err := dial(ctx, target.Address)
	if err != nil {
		return "", err
	}
	conn.Close()
	return "connected", nil
}
