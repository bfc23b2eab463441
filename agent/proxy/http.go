package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// HTTP serves an upstream over HTTP/1.1 and, by prior knowledge, HTTP/2 on one
// port. Create it with NewHTTP.
type HTTP struct {
	Options
	clock    *socket.Clock
	key      func(r *message.Request, ip string) string
	budget   *budget
	pool     *pool
	trunks   *streamPool
	pace     *pace // nil: nothing is hedged
	entrance *admission
	draining atomic.Bool
	severed  atomic.Bool  // connections are being cut
	removals atomic.Int64 // of servers from the balancer, so far
	tunnels  *tunnels
	sessions sync.Pool // of *session
	streams  sync.Pool // of *stream
	heads    http1.Limits
	headers  forwarding
	door     door
	loops    *socket.Loops // nil: connections are served by goroutines

	crew    crew            // which serves connections
	running sync.WaitGroup  // the clock
	ctx     context.Context // of what goes on beside requests
	stop    context.CancelFunc
	halt    context.CancelFunc // of the clock

	mu    sync.Mutex
	conns map[*connection]struct{}
	quiet chan struct{} // gets a word when the last connection is gone
}

// NewHTTP makes a server. It listens to nothing yet.
func NewHTTP(o Options) *HTTP {
	h := &HTTP{
		Options:  o,
		clock:    socket.NewClock(),
		key:      keyOf(o.HashOn),
		budget:   newBudget(o.Retry),
		heads:    o.Limits.heads(),
		headers:  newForwarding(o.Headers),
		entrance: newAdmission(o),
		door:     newDoor(o),
		tunnels:  newTunnels(),
		conns:    make(map[*connection]struct{}),
		quiet:    make(chan struct{}, 1),
	}
	if o.TLS == nil && o.Backend != H2C && o.Backend != H2 { // of which connections have goroutines
		h.loops = o.Loops
	}
	h.pool = newPool(o, h.loops, h.clock)
	h.trunks = newStreamPool(o, h.clock)
	if o.Retry.Hedge.Percentile > 0 {
		h.pace = newPace(o.Retry.Hedge, h.clock)
	}
	h.sessions.New = func() any { return newSession(h) }
	h.streams.New = func() any { return newStream(h) }
	h.ctx, h.stop = context.WithCancel(context.Background())
	ticking, halt := context.WithCancel(context.Background())
	h.halt = halt
	h.running.Go(func() { h.clock.Run(ticking) })
	for _, s := range o.Balancer.AllStats() {
		h.Added(s.Server)
	}
	return h
}

// Serve implements Server.
func (h *HTTP) Serve(l net.Listener) error {
	if err := accept(l, h.loops, &h.door, h.welcome); err != nil {
		return fmt.Errorf("upstream %q: %w", h.Upstream, err)
	}
	return nil
}

// welcome takes a connection from the app.
func (h *HTTP) welcome(sock *socket.Conn) {
	c := newConnection(h, sock)
	h.Meter.Connections.Add(1)
	h.enlist(c)
	if c.home == nil {
		h.crew.do(c.serve)
		return
	}
	c.begin()
	if err := sock.Serve(c.turn); err != nil {
		h.reportFault(err)
		c.end()
	}
}

func (h *HTTP) enlist(c *connection) {
	h.mu.Lock()
	h.conns[c] = struct{}{}
	h.mu.Unlock()
}

// succeed puts a connection in the place of another.
func (h *HTTP) succeed(from, to *connection) {
	h.mu.Lock()
	delete(h.conns, from)
	h.conns[to] = struct{}{}
	h.mu.Unlock()
}

// farewell is the end of one.
func (h *HTTP) farewell(c *connection) {
	h.Meter.Connections.Add(-1)
	h.mu.Lock()
	delete(h.conns, c)
	last := len(h.conns) == 0
	h.mu.Unlock()
	if last {
		select {
		case h.quiet <- struct{}{}:
		default:
		}
	}
	h.door.leave()
}

// linger is how long connections without a request under way stay open once
// a drain began. A request that is on its way meanwhile is answered, with word
// that the connection ends; a connection closed at once would lose it.
const linger = time.Second

// Drain implements Server.
func (h *HTTP) Drain(ctx context.Context) {
	h.draining.Store(true)
	h.stop()
	h.each((*connection).announce)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	h.await(ctx, timer.C)
	h.each((*connection).shutDown)
	h.await(ctx, nil)
	h.severed.Store(true)
	h.each((*connection).cut)
	h.await(context.Background(), nil)
	h.tunnels.drain(ctx)
	h.crew.close()
	h.pool.close()
	h.trunks.close()
	if h.pace != nil {
		h.pace.close()
	}
	h.halt()
	h.running.Wait()
}

// await waits until no connection is left, or for one of its ends.
func (h *HTTP) await(ctx context.Context, enough <-chan time.Time) {
	for h.open() > 0 {
		select {
		case <-h.quiet:
		case <-enough:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (h *HTTP) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

func (h *HTTP) each(f func(*connection)) {
	h.mu.Lock()
	all := make([]*connection, 0, len(h.conns))
	for c := range h.conns {
		all = append(all, c)
	}
	h.mu.Unlock()
	for _, c := range all {
		f(c)
	}
}
