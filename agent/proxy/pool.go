package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// Keeping says how connections to servers are kept for the next request.
type Keeping struct {
	Idle time.Duration // how long without work; 0: 60 s. Short, since a server that closes one first can cost a request
	Most int           // of an upstream, without work; 0: 512. Beyond it the one goes that has been idle longest
	Age  time.Duration // how long in all; 0: for ever
	Warm int           // made to each server ahead of the first request
}

const (
	defaultIdle = 60 * time.Second
	defaultMost = 512
)

// pool keeps connections of HTTP/1.1 to servers for the next request. To each
// server the one that was used last goes first, so that those which are too
// many grow old.
type pool struct {
	Keeping
	dialer
	meter *Meter
	heads http1.Limits
	loops *socket.Loops // which connections are for; nil: goroutines
	clock *socket.Clock
	alarm socket.Alarm

	mu     sync.Mutex
	idle   map[string][]*origin // by address, the one used last at the end
	oldest *origin              // of all, and from there on by origin.newer
	newest *origin
	count  int
	closed bool
}

func newPool(o Options, loops *socket.Loops, clock *socket.Clock) *pool {
	p := &pool{
		loops:   loops,
		Keeping: o.Keeping, dialer: newDialer(o), meter: o.Meter, clock: clock,
		heads: o.Limits.heads(),
		idle:  make(map[string][]*origin),
	}
	p.Idle = idleOf(o.Keeping)
	if p.Most == 0 {
		p.Most = defaultMost
	}
	clock.Add(&p.alarm, p.sweep)
	return p
}

func idleOf(k Keeping) time.Duration {
	if k.Idle == 0 {
		return defaultIdle
	}
	return k.Idle
}

// take is a connection to address that has served before, of a loop; nil for
// none.
func (p *pool) take(address string, home *socket.Loop) *origin {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[address]
	for i := len(all) - 1; i >= 0; i-- { // few are another loop's
		if o := all[i]; o.sock.Loop() == home {
			p.idle[address] = slices.Delete(all, i, i+1)
			p.unlink(o)
			return o
		}
	}
	return nil
}

// put keeps o for another request.
func (p *pool) put(o *origin) {
	at := o.since + p.Idle
	var surplus *origin
	p.mu.Lock()
	if p.closed || p.stale(o.secured) || p.Age > 0 && o.since-o.born >= p.Age {
		surplus = o
	} else {
		p.idle[o.address] = append(p.idle[o.address], o)
		p.link(o)
		if p.count > p.Most {
			surplus = p.drop()
		}
	}
	p.mu.Unlock()
	p.alarm.Earlier(at)
	if surplus != nil {
		surplus.close()
	}
}

func (p *pool) link(o *origin) {
	o.older = p.newest
	if p.newest == nil {
		p.oldest = o
	} else {
		p.newest.newer = o
	}
	p.newest = o
	p.count++
}

func (p *pool) unlink(o *origin) {
	if o.older == nil {
		p.oldest = o.newer
	} else {
		o.older.newer = o.newer
	}
	if o.newer == nil {
		p.newest = o.older
	} else {
		o.newer.older = o.older
	}
	o.older, o.newer = nil, nil
	p.count--
}

// drop takes out the one that has been idle longest, which is the first to its
// address too.
func (p *pool) drop() *origin {
	o := p.oldest
	all := p.idle[o.address]
	copy(all, all[1:])
	all[len(all)-1] = nil
	if all = all[:len(all)-1]; len(all) > 0 {
		p.idle[o.address] = all
	} else {
		delete(p.idle, o.address)
	}
	p.unlink(o)
	return o
}

// dial makes a connection to address, for a loop. It waits, as goroutines do.
func (p *pool) dial(ctx context.Context, address string, home *socket.Loop) (*origin, error) {
	conn, secured, err := p.dialer.dial(ctx, address, secure.HTTP1)
	if err != nil {
		return nil, err
	}
	sock, err := home.Adopt(conn)
	if err != nil {
		return nil, err
	}
	p.meter.Backends.Add(1)
	now := p.clock.Now()
	return &origin{pool: p, address: address, sock: sock, born: now, since: now, secured: secured}, nil
}

// warm makes connections to an address ahead of the first request. Who cannot
// be reached is left for the first request to find out.
func (p *pool) warm(ctx context.Context, address string) {
	for range p.Warm {
		o, err := p.dial(ctx, address, p.loops.Pick())
		if err != nil {
			return
		}
		o.reused = true // it may prove stale as others do
		p.put(o)
	}
}

// forget closes what is kept to an address: its server is gone, or has closed
// one of them.
func (p *pool) forget(address string) {
	p.mu.Lock()
	all := p.idle[address]
	delete(p.idle, address)
	for _, o := range all {
		p.unlink(o)
	}
	p.mu.Unlock()
	for _, o := range all {
		o.close()
	}
}

// renew closes what was made with files that are not in force any more.
func (p *pool) renew() {
	var old []*origin
	p.mu.Lock()
	for address, all := range p.idle {
		p.idle[address] = slices.DeleteFunc(all, func(o *origin) bool {
			if !p.stale(o.secured) {
				return false
			}
			p.unlink(o)
			old = append(old, o)
			return true
		})
	}
	p.mu.Unlock()
	for _, o := range old {
		o.close()
	}
}

// close closes all, and whatever is put from now on.
func (p *pool) close() {
	p.clock.Remove(&p.alarm)
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.sweep(never)
}

const never = time.Duration(1<<63 - 1)

// sweep closes what has been idle for too long.
func (p *pool) sweep(now time.Duration) (next time.Duration) {
	for {
		p.mu.Lock()
		if p.oldest == nil {
			p.mu.Unlock()
			return 0
		}
		if now != never {
			if at := p.oldest.since + p.Idle; at > now {
				p.mu.Unlock()
				return at
			}
		}
		o := p.drop()
		p.mu.Unlock()
		o.close()
	}
}
