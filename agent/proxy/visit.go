package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/proxyproto"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// visit is one TCP connection from the app, from when it was accepted to its
// end.
type visit struct {
	tcp   *TCP
	app   *socket.Conn
	who   proxyproto.Header // who is behind it
	ahead []byte            // what followed the PROXY header at once
	alarm socket.Alarm      // of what comes before bytes flow
	start time.Duration     // by the clock
	told  Visit             // as far as it is known

	mu     sync.Mutex
	phase  phase
	until  time.Duration           // when the phase has taken too long, by the clock; 0: never
	stop   context.CancelCauseFunc // of the attempt under way
	over   bool                    // cut by a drain
	server *lb.Server              // that relay goes to
	relay  *relay                  // nil before
}

func newVisit(t *TCP, conn net.Conn) *visit {
	return &visit{
		tcp: t, app: socket.New(conn), start: t.clock.Now(), told: Visit{Result: Result{GRPC: -1}},
		who: proxyproto.Header{Source: addrPort(conn.RemoteAddr()), Destination: addrPort(conn.LocalAddr())},
	}
}

// fail notes that the visit failed.
func (v *visit) fail(f *failure) {
	v.tcp.Meter.Errors.Add(1)
	v.tcp.Meter.fail(f.kind)
	v.told.Error = string(f.kind)
}

// report tells how the visit went.
func (v *visit) report() {
	if v.tcp.OnVisit == nil {
		return
	}
	v.told.Took = v.tcp.clock.Now() - v.start
	v.told.Client = v.who.Source.Addr()
	v.tcp.OnVisit(v.told)
}

// phase is what a visit waits for.
type phase int

const (
	nothing phase = iota
	header        // the PROXY header
	queue         // a place at a backend
	connect       // a backend to take the connection
)

var (
	errLeft   = errors.New("the app has hung up")
	errCut    = errors.New("cut by a drain")
	errSlow   = &failure{kind: ConnectTimeout}
	errHeader = errors.New("PROXY header: it did not come in time")
)

// enter begins a phase that may last for d; 0 means for ever.
func (v *visit) enter(p phase, d time.Duration) {
	now := v.tcp.clock.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.phase, v.until = p, 0
	if d > 0 {
		v.until = now + d
	}
	switch {
	case p == queue:
		v.alarm.Set(now + glance)
	default:
		v.alarm.Set(v.until)
	}
}

// ring ends a phase that takes too long, or that nobody waits for any more. An
// app that has sent something counts as waiting though it hung up: its end of
// the stream may as well be half a close.
func (v *visit) ring(now time.Duration) (next time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	late := v.until != 0 && now >= v.until
	switch {
	case v.phase == header && late:
		v.app.InterruptRead()
	case v.phase == connect && late:
		v.stop(errSlow)
	case v.phase == queue && v.app.Gone():
		v.stop(errLeft)
	case v.phase == queue:
		return now + glance
	case !late:
		return v.until
	}
	return 0
}

// cut implements carrier.
func (v *visit) cut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.over = true
	v.app.Interrupt()
	if v.stop != nil {
		v.stop(errCut)
	}
	if v.relay != nil {
		v.relay.cut()
	}
}

// attempt makes the context of the next one.
func (v *visit) attempt() (ctx context.Context, end func()) {
	ctx, stop := context.WithCancelCause(context.Background())
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.stop = stop; v.over {
		stop(errCut)
	}
	return ctx, func() { stop(nil) }
}

// left tells whether nobody wants the connection any more, for which no one
// is to blame.
func (v *visit) left(ctx context.Context) bool {
	cause := context.Cause(ctx)
	v.told.Cancelled = errors.Is(cause, errLeft)
	return v.told.Cancelled || errors.Is(cause, errCut)
}

// serve sees the visit through.
func (v *visit) serve() *failure {
	v.tcp.clock.Add(&v.alarm, v.ring)
	defer v.tcp.clock.Remove(&v.alarm)
	defer v.app.Close()
	if f := v.greet(); f != nil {
		return f
	}
	v.tcp.budget.deposit()
	return v.forward()
}

// forward connects to one backend after another until one takes the
// connection, and then carries bytes until both sides are done. No byte of the
// app's leaves before, so that all may be tried.
func (v *visit) forward() *failure {
	var (
		t     = v.tcp
		query = lb.Query{Key: v.key()}
		last  *failure
	)
	for n := 0; ; n++ {
		if last != nil && !t.budget.withdraw() {
			t.Meter.Denied.Add(1)
			return last
		}
		ctx, end := v.attempt()
		v.enter(queue, 0)
		lease, err := t.Balancer.Acquire(ctx, query)
		if err != nil {
			defer end()
			switch {
			case v.left(ctx):
				return nil
			case last != nil:
				t.budget.refund()
				return last
			}
			return unselected(err)
		}
		if last != nil {
			t.Meter.retry(last.kind)
		}
		backend, took, f := v.connect(ctx, lease.Server())
		over := v.left(ctx)
		end()
		if f == nil {
			t.Meter.Took.Add(took)
			lease.Record(took)
			f = v.carry(backend, lease.Server())
			lease.Release()
			return f
		}
		if !f.blameless && !over {
			lease.Fail(f)
		}
		lease.Release()
		if over {
			return nil
		}
		if last = f; n >= t.Retry.Max {
			return last
		}
		query.Tried = append(query.Tried, lease.Server().ID)
	}
}

// connect connects to a backend and tells it who is there, if it is to know.
func (v *visit) connect(ctx context.Context, to *lb.Server) (*socket.Conn, time.Duration, *failure) {
	start := v.tcp.clock.Now()
	v.enter(connect, v.tcp.Timeouts.Connect)
	conn, err := v.dial(ctx, to.Address)
	took := v.tcp.clock.Now() - start
	v.told.Server, v.told.Attempts, v.told.Connecting = to, v.told.Attempts+1, v.told.Connecting+took
	v.enter(nothing, 0)
	if err != nil {
		if errors.Is(context.Cause(ctx), errSlow) {
			return nil, took, errSlow
		}
		return nil, took, undialled(err)
	}
	return socket.New(conn), took, nil
}

// dial is all that has to be done before bytes of the app may flow. The PROXY
// header comes before TLS.
func (v *visit) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := v.tcp.Descriptors.keep(dial(ctx, address, 0))
	if err != nil {
		return nil, err
	}
	if err := v.announce(conn); err != nil {
		conn.Close()
		return nil, &failure{kind: Reset, err: err}
	}
	if v.tcp.TLS == nil {
		return conn, nil
	}
	secured, _, err := v.tcp.TLS.Handshake(ctx, conn, address, "")
	if err != nil {
		return nil, err // and no *tls.Conn that is nil
	}
	return secured, nil
}

func (v *visit) carry(backend *socket.Conn, server *lb.Server) *failure {
	t := v.tcp
	t.Meter.Backends.Add(1)
	defer t.Meter.Backends.Add(-1)
	defer backend.Close()
	r := &relay{
		app: v.app, backend: backend, aheadOfApp: v.ahead, silence: t.Timeouts.Tunnel, clock: t.clock,
		sent: &t.Meter.Sent, received: &t.Meter.Received,
		spared: func() bool { return t.lists(server) },
	}
	if !v.begin(r, server) {
		return nil
	}
	err := r.run()
	v.told.Received, v.told.Sent = r.fromApp, r.toApp
	switch {
	case errors.Is(err, errSilent):
		return &failure{kind: IdleTimeout, err: err}
	case errors.Is(err, errDismissed):
		return nil // as was wanted
	case err != nil && t.TLS.Rejected(server.Address, err) != nil:
		return &failure{kind: TLS, err: err}
	case err != nil:
		// Who hears of an end in place of a reset takes what it got for all.
		v.app.BreakOnClose()
		backend.BreakOnClose()
		return &failure{kind: Reset, err: err}
	}
	return nil
}

// begin lets r be cut and dismissed; it is false after a drain.
func (v *visit) begin(r *relay, server *lb.Server) bool {
	v.mu.Lock()
	v.server, v.relay, v.stop = server, r, nil
	over := v.over
	v.mu.Unlock()
	if v.tcp.Removal.Mode != Keep && !v.tcp.lists(server) { // removed while it connected
		v.removed(server)
	}
	return !over
}
