package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// streamPool keeps connections of HTTP/2 to servers, each of which carries many
// requests at once.
type streamPool struct {
	timeout time.Duration // of a connect; 0: none
	meter   *Meter
	options http2.ClientOptions
	files   *Descriptors
	clock   *socket.Clock
	alarm   socket.Alarm

	mu     sync.Mutex
	lines  map[string]*trunk // by address
	closed bool
}

// trunk is the connections to one server.
type trunk struct {
	dialling chan struct{} // has room for the one who makes another
	clients  []*http2.Client
}

func newStreamPool(o Options, clock *socket.Clock) *streamPool {
	p := &streamPool{
		timeout: o.Timeouts.Connect, meter: o.Meter, clock: clock, lines: make(map[string]*trunk), files: o.Descriptors,
		options: http2.ClientOptions{MaxHeaderBytes: o.Limits.MaxHeaderBytes, Stall: o.Timeouts.Idle},
	}
	p.options.Closed = func(error) { p.meter.Backends.Add(-1) }
	clock.Add(&p.alarm, p.sweep)
	return p
}

// open is a stream to address. Where no connection has room for it one is made,
// by one goroutine at a time: those who come meanwhile can most likely use it.
func (p *streamPool) open(ctx func() context.Context, address string) (*http2.ClientStream, error) {
	s, t := p.find(address)
	if s != nil {
		return s, nil
	}
	waits := ctx()
	select {
	case t.dialling <- struct{}{}:
		defer func() { <-t.dialling }()
	case <-waits.Done():
		return nil, context.Cause(waits)
	}
	if s, _ := p.find(address); s != nil {
		return s, nil
	}
	conn, err := p.files.keep(dial(waits, address, p.timeout))
	if err != nil {
		return nil, err
	}
	p.meter.Backends.Add(1)
	c := http2.NewClient(conn, p.options)
	s, err = c.Open()
	if err != nil {
		c.Close()
		return nil, err
	}
	p.keep(t, c)
	return s, nil
}

// find is a stream on a connection that has room for one; nil for none.
func (p *streamPool) find(address string) (*http2.ClientStream, *trunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.lines[address]
	if t == nil {
		t = &trunk{dialling: make(chan struct{}, 1)}
		p.lines[address] = t
	}
	for i := 0; i < len(t.clients); {
		c := t.clients[i]
		if !c.Alive() {
			t.clients = slices.Delete(t.clients, i, i+1)
			continue
		}
		if c.CanTake() {
			if s, err := c.Open(); err == nil {
				return s, t
			}
		}
		i++
	}
	return nil, t
}

func (p *streamPool) keep(t *trunk, c *http2.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.clients = append(t.clients, c)
	p.alarm.Earlier(p.clock.Now() + idleBackend)
}

// sweep closes connections that carry nothing for too long.
func (p *streamPool) sweep(now time.Duration) (next time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, t := range p.lines {
		t.clients = slices.DeleteFunc(t.clients, func(c *http2.Client) bool {
			if used := c.LastUsed(); c.Alive() && (used.IsZero() || time.Since(used) < idleBackend) {
				return false
			}
			c.Close()
			return true
		})
		if len(t.clients) > 0 {
			next = now + idleBackend/4
		} else if len(t.dialling) == 0 {
			delete(p.lines, address)
		}
	}
	return next
}

// forget closes the connections to an address once they carry nothing.
func (p *streamPool) forget(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.lines[address]
	if t == nil {
		return
	}
	t.clients = slices.DeleteFunc(t.clients, func(c *http2.Client) bool {
		if idle := c.Idle(); idle {
			c.Close()
			return true
		}
		return false
	})
}

func (p *streamPool) close() {
	p.clock.Remove(&p.alarm)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.lines {
		for _, c := range t.clients {
			c.Close()
			<-c.Done()
		}
		t.clients = nil
	}
}
