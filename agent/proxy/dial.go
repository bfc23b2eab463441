package proxy

import (
	"context"
	"net"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// dialer makes connections to servers, of TLS where the upstream wants that.
type dialer struct {
	timeout time.Duration  // of a connect, the handshake included; 0: none
	tls     *secure.Client // nil: in the clear
	files   *Descriptors
	ended   func(lived time.Duration) // is told of each connection at its end
}

func newDialer(o Options) dialer {
	d := dialer{timeout: o.Timeouts.Connect, tls: o.TLS, files: o.Descriptors, ended: o.OnClosed}
	if d.ended == nil {
		d.ended = func(time.Duration) {}
	}
	return d
}

// dial connects to address, for a protocol. It returns the generation of what
// TLS was made with.
func (d dialer) dial(ctx context.Context, address, protocol string) (net.Conn, uint64, error) {
	if d.tls == nil {
		conn, err := d.files.keep(dial(ctx, address, d.timeout))
		return conn, 0, err
	}
	if d.timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, d.timeout)
		defer cancel()
		ctx = bounded
	}
	conn, err := d.files.keep(dial(ctx, address, 0))
	if err != nil {
		return nil, 0, err
	}
	secured, generation, err := d.tls.Handshake(ctx, conn, address, protocol)
	if err != nil {
		return nil, 0, err // and no *tls.Conn that is nil
	}
	return secured, generation, nil
}

// dial connects to host:port or unix:///path. (Dialer.DialTCP, which looks
// cheaper for an IP address, binds a port before it connects: such a port is
// used up, for a minute after its end too, whatever the other address is.)
func dial(ctx context.Context, address string, timeout time.Duration) (net.Conn, error) {
	network, addr := health.SplitAddress(address)
	nd := net.Dialer{Timeout: timeout}
	return nd.DialContext(ctx, network, addr)
}

// stale tells whether a connection was made with files that are not in force
// any more.
func (d dialer) stale(generation uint64) bool { return generation != d.tls.Generation() }

// Renewed implements Follower. Connections go on.
func (t *TCP) Renewed() {}

// Renewed implements Follower. Connections made with the files before end once
// they carry nothing.
func (h *HTTP) Renewed() {
	h.pool.renew()
	h.trunks.renew()
}

// rejected makes of a failure what it is if a server has rejected the handshake
// only after it, as it does in TLS 1.3, which is before it has looked at the
// request.
func (a *attempt) rejected(f *failure, reused bool) *failure {
	if a.http.TLS == nil || f.kind != Reset || reused {
		return f
	}
	if err := a.http.TLS.Rejected(a.lease.Server().Address, f.err); err != nil {
		return &failure{kind: TLS, err: err, unsent: true}
	}
	return f
}
