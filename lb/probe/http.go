package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// outputLimit bounds what of an answer's body is kept for people to read.
const outputLimit = 256

// HTTP probes with a GET. The zero value asks for /health and takes any
// status from 200 to 399, as load balancers commonly do.
type HTTP struct {
	Path   string                // where the target names none; "" means /health
	Host   string                // the Host header; "" means the target's address
	Expect func(status int) bool // nil: 200 to 399

	Handshake Handshake // of https; nil: in the clear
}

// Probe sends the request over a connection of its own, since what it has to
// find out includes whether the server still accepts any. Redirects are not
// followed: they would probe something else.
func (p HTTP) Probe(ctx context.Context, target health.Target) (string, error) {
	path := target.Path
	if path == "" {
		path = p.Path
	}
	if path == "" {
		path = "/health"
	}
	scheme := "http"
	if p.Handshake != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+authority(target.Address)+path, nil)
	if err != nil {
		return "", fmt.Errorf("probe of %s: %w", target.Address, err)
	}
	req.Host = p.Host
	req.Header.Set("User-Agent", "outrigger-health")
	transport := &http.Transport{
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	connect := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dial(ctx, target.Address, "http/1.1", p.Handshake)
	}
	if p.Handshake == nil {
		transport.DialContext = connect
	} else {
		transport.DialTLSContext = connect
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, outputLimit))
	output := strings.TrimSpace(resp.Status + " " + string(body))
	expect := p.Expect
	if expect == nil {
		expect = func(status int) bool { return status >= 200 && status < 400 }
	}
	if !expect(resp.StatusCode) {
		return output, fmt.Errorf("unexpected status %s", resp.Status)
	}
	return output, nil
}

// authority is what the URL of a probe says in place of an address that no
// URL can hold.
func authority(address string) string {
	if network, addr := health.SplitAddress(address); network == "tcp" {
		return addr
	}
	return "localhost"
}
