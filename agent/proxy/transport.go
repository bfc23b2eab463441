package proxy

import (
	"context"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// idleBackend is how long a connection to a backend is kept without work. It
// is short, since a backend that closes one first can cost a request.
const idleBackend = 60 * time.Second

// newTransport makes the pool of connections to the backends, HTTP/1.1 or
// HTTP/2 in the clear.
func newTransport(o Options, http2 bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	return &http.Transport{
		Protocols:              protocols,
		DialContext:            dialer{o.Timeouts.Connect, o.Meter}.dialAuthority,
		DisableCompression:     true, // bodies pass as they are
		MaxIdleConnsPerHost:    512,
		IdleConnTimeout:        idleBackend,
		MaxResponseHeaderBytes: int64(o.Limits.MaxHeaderBytes),
		ExpectContinueTimeout:  time.Second,
	}
}

// dialer connects to backends and counts the connections that are open.
type dialer struct {
	timeout time.Duration // 0: none
	meter   *Meter
}

func (d dialer) dial(ctx context.Context, address string) (net.Conn, error) {
	network, addr := health.SplitAddress(address)
	nd := net.Dialer{Timeout: d.timeout}
	conn, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.meter.Backends.Add(1)
	return &countedConn{Conn: conn, count: &d.meter.Backends}, nil
}

func (d dialer) dialAuthority(ctx context.Context, _, authority string) (net.Conn, error) {
	return d.dial(ctx, addressOf(authority))
}

// unixSuffix marks an authority that stands for a unix socket.
const unixSuffix = ".unix.invalid"

// authorityOf is the URL authority by which a transport knows an address. A
// socket's path, which no authority can hold, goes into it in hexadecimal.
func authorityOf(address string) string {
	if network, path := health.SplitAddress(address); network == "unix" {
		return hex.EncodeToString([]byte(path)) + unixSuffix
	}
	return address
}

func addressOf(authority string) string {
	if name, ok := strings.CutSuffix(authority, unixSuffix+":80"); ok {
		if path, err := hex.DecodeString(name); err == nil {
			return "unix://" + string(path)
		}
	}
	return authority
}

// countedConn takes itself out of a count when it is closed.
type countedConn struct {
	net.Conn
	count  *atomic.Int64
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if !c.closed.Swap(true) {
		c.count.Add(-1)
	}
	return c.Conn.Close()
}

// CloseWrite ends one direction, where the connection can.
func (c *countedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
