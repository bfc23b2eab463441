package proxy

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// idleBackend is how long a connection to a server is kept without work. It is
// short, since a server that closes one first can cost a request.
const idleBackend = 60 * time.Second

// mostIdle bounds the connections to one server that are kept.
const mostIdle = 512

// pool keeps connections of HTTP/1.1 to servers for the next request. The one
// that was used last goes first, so that those which are too many grow old.
type pool struct {
	timeout time.Duration // of a connect; 0: none
	meter   *Meter
	heads   http1.Limits
	files   *Descriptors
	clock   *socket.Clock
	alarm   socket.Alarm

	mu     sync.Mutex
	idle   map[string][]*origin // by address
	closed bool
}

func newPool(o Options, clock *socket.Clock) *pool {
	p := &pool{
		timeout: o.Timeouts.Connect, meter: o.Meter, clock: clock,
		heads: o.Limits.heads(), files: o.Descriptors,
		idle: make(map[string][]*origin),
	}
	clock.Add(&p.alarm, p.sweep)
	return p
}

// take is a connection to address that has served before, nil for none.
func (p *pool) take(address string) *origin {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[address]
	if len(all) == 0 {
		return nil
	}
	o := all[len(all)-1]
	all[len(all)-1] = nil
	p.idle[address] = all[:len(all)-1]
	return o
}

// put keeps o for another request.
func (p *pool) put(o *origin) {
	now := p.clock.Now()
	o.reused, o.since = true, now
	p.mu.Lock()
	if all := p.idle[o.address]; !p.closed && len(all) < mostIdle {
		p.idle[o.address] = append(all, o)
		p.mu.Unlock()
		p.alarm.Earlier(now + idleBackend)
		return
	}
	p.mu.Unlock()
	o.close()
}

// dial makes a connection to address.
func (p *pool) dial(ctx context.Context, address string) (*origin, error) {
	conn, err := p.files.keep(dial(ctx, address, p.timeout))
	if err != nil {
		return nil, err
	}
	p.meter.Backends.Add(1)
	return &origin{pool: p, address: address, sock: socket.New(conn)}, nil
}

func dial(ctx context.Context, address string, timeout time.Duration) (net.Conn, error) {
	network, addr := health.SplitAddress(address)
	nd := net.Dialer{Timeout: timeout}
	return nd.DialContext(ctx, network, addr)
}

// forget closes what is kept to an address: its server is gone, or has closed
// one of them.
func (p *pool) forget(address string) {
	p.mu.Lock()
	all := p.idle[address]
	delete(p.idle, address)
	p.mu.Unlock()
	for _, o := range all {
		o.close()
	}
}

// close closes all, and whatever is put from now on.
func (p *pool) close() {
	p.clock.Remove(&p.alarm)
	p.mu.Lock()
	all := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, list := range all {
		for _, o := range list {
			o.close()
		}
	}
}

// sweep closes what has been idle for too long. The oldest come first.
func (p *pool) sweep(now time.Duration) (next time.Duration) {
	var old []*origin
	p.mu.Lock()
	for address, all := range p.idle {
		n := 0
		for n < len(all) && all[n].since+idleBackend <= now {
			n++
		}
		old = append(old, all[:n]...)
		if n == len(all) {
			delete(p.idle, address)
			continue
		}
		p.idle[address] = append(all[:0], all[n:]...)
		if at := all[0].since + idleBackend; next == 0 || at < next {
			next = at
		}
	}
	p.mu.Unlock()
	for _, o := range old {
		o.close()
	}
	return next
}
