package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// TCP serves an upstream by carrying the bytes of each connection to a backend
// and back. Create it with NewTCP.
type TCP struct {
	Options
	budget  *budget
	tunnels *tunnels
	wg      sync.WaitGroup // connections, from the first moment on
	ctx     context.Context
	cancel  context.CancelFunc // ends connects under way
}

// NewTCP makes a server. It starts nothing.
func NewTCP(o Options) *TCP {
	t := &TCP{Options: o, budget: newBudget(o.Retry), tunnels: newTunnels()}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Serve implements Server.
func (t *TCP) Serve(l net.Listener) error {
	if limit := t.Limits.MaxConnections; limit > 0 {
		l = netutil.LimitListener(l, limit)
	}
	if err := accept(l, nil, func(conn net.Conn) { t.wg.Go(func() { t.handle(conn) }) }); err != nil {
		return fmt.Errorf("upstream %q: %w", t.Upstream, err)
	}
	return nil
}

// clientIP is the address without its port; "" for a unix socket.
func clientIP(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return ""
	}
	return host
}

// Drain implements Server. Nothing in TCP tells a client to go away, so it
// waits for connections to end until ctx does, and cuts the rest.
func (t *TCP) Drain(ctx context.Context) {
	stop := context.AfterFunc(ctx, t.cancel)
	defer stop()
	t.tunnels.drain(ctx)
	t.wg.Wait()
	t.cancel()
}

func (t *TCP) handle(app net.Conn) {
	m := t.Meter
	m.Active.Add(1)
	m.Connections.Add(1)
	defer func() {
		app.Close()
		m.Requests.Add(1)
		m.Connections.Add(-1)
		m.Active.Add(-1)
	}()
	t.budget.deposit()
	if f := t.forward(app); f != nil {
		m.Errors.Add(1)
		m.fail(f.kind)
	}
}

// forward connects app to one backend after another until one takes it, and
// then carries bytes until both sides are done.
func (t *TCP) forward(app net.Conn) *failure {
	var (
		query = lb.Query{Key: clientIP(app.RemoteAddr().String())}
		last  *failure
	)
	for n := 0; ; n++ {
		if last != nil && !t.budget.withdraw() {
			t.Meter.Denied.Add(1)
			return last
		}
		// While it waits in a queue, an app that hangs up is not noticed: its
		// end of the stream may as well be half a close.
		lease, err := t.Balancer.Acquire(t.ctx, query)
		switch {
		case err != nil && t.ctx.Err() != nil:
			return nil // cut by a drain
		case err != nil && last != nil:
			t.budget.refund()
			return last
		case err != nil:
			return unselected(err)
		case last != nil:
			t.Meter.Retries.Add(1)
		}
		start := time.Now()
		backend, err := dial(t.ctx, lease.Server().Address, t.Timeouts.Connect)
		if err == nil {
			took := time.Since(start)
			t.Meter.Took.Add(took)
			lease.Record(took)
			defer lease.Release()
			return t.carry(app, backend)
		}
		if last = undialled(err); !last.blameless && t.ctx.Err() == nil {
			lease.Fail(last)
		}
		lease.Release()
		if n >= t.Retry.Max {
			return last
		}
		query.Tried = append(query.Tried, lease.Server().ID)
	}
}

func (t *TCP) carry(app, backend net.Conn) *failure {
	defer backend.Close()
	carrier := &tunnel{app: app, backend: backend, silence: t.Timeouts.Tunnel}
	done, ok := t.tunnels.add(carrier)
	if !ok {
		return nil // cut by a drain
	}
	defer done()
	err := carrier.run(&t.Meter.Sent, &t.Meter.Received)
	switch {
	case errors.Is(err, errSilent):
		return &failure{kind: IdleTimeout, err: err}
	case err != nil && !errors.Is(err, net.ErrClosed):
		return &failure{kind: Reset, err: err}
	}
	return nil
}
