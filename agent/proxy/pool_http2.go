package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// streamPool keeps connections of HTTP/2 to servers, each of which carries many
// requests at once.
type streamPool struct {
	dialer
	meter   *Meter
	idle    time.Duration
	options http2.ClientOptions
	clock   *socket.Clock
	alarm   socket.Alarm

	mu    sync.Mutex
	lines map[string]*trunk // by address
	old   []*http2.Client   // of files that are not in force any more, until they carry nothing
}

// trunk is the connections to one server.
type trunk struct {
	dialling chan struct{} // has room for the one who makes another
	clients  []*http2.Client
}

func newStreamPool(o Options, clock *socket.Clock) *streamPool {
	p := &streamPool{
		dialer: newDialer(o), idle: idleOf(o.Keeping), meter: o.Meter, clock: clock, lines: make(map[string]*trunk),
		options: http2.ClientOptions{MaxHeaderBytes: o.Limits.MaxHeaderBytes, MaxHeaders: o.Limits.MaxHeaders, Stall: o.Timeouts.Idle, TLS: o.TLS != nil},
	}
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
	conn, secured, err := p.dialer.dial(waits, address, secure.HTTP2)
	if err != nil {
		return nil, err
	}
	p.meter.Backends.Add(1)
	options, born := p.options, p.clock.Now()
	options.Closed = func(error) {
		p.meter.Backends.Add(-1)
		p.ended(p.clock.Now() - born)
	}
	c := http2.NewClient(conn, options)
	s, err = c.Open()
	if err != nil {
		c.Close()
		return nil, err
	}
	p.keep(t, c, secured)
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
		if s, err := c.Open(); err == nil {
			return s, t
		}
		if c.Idle() { // the server takes no streams at all on it
			c.Close()
			t.clients = slices.Delete(t.clients, i, i+1)
			continue
		}
		i++
	}
	return nil, t
}

func (p *streamPool) keep(t *trunk, c *http2.Client, secured uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stale(secured) { // by now
		p.old = append(p.old, c)
		p.alarm.Earlier(p.clock.Now() + oldEvery)
		return
	}
	t.clients = append(t.clients, c)
	p.alarm.Earlier(p.clock.Now() + p.idle)
}

// sweep closes connections that carry nothing for too long.
func (p *streamPool) sweep(now time.Duration) (next time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, t := range p.lines {
		t.clients = slices.DeleteFunc(t.clients, func(c *http2.Client) bool {
			if used := c.LastUsed(); c.Alive() && (used.IsZero() || time.Since(used) < p.idle) {
				return false
			}
			c.Close()
			return true
		})
		if len(t.clients) > 0 {
			next = now + p.idle/4
		} else if len(t.dialling) == 0 {
			delete(p.lines, address)
		}
	}
	if p.dropOld(); len(p.old) > 0 {
		next = now + oldEvery
	}
	return next
}

// oldEvery is how often connections are looked at that are to end when they
// carry nothing.
const oldEvery = time.Second

// renew has no further streams opened on connections made with files that are
// not in force any more.
func (p *streamPool) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.lines {
		p.old = append(p.old, t.clients...)
		t.clients = nil
	}
	if p.dropOld(); len(p.old) > 0 {
		p.alarm.Earlier(p.clock.Now() + oldEvery)
	}
}

// dropOld closes those that carry nothing; the caller holds the lock.
func (p *streamPool) dropOld() {
	p.old = slices.DeleteFunc(p.old, func(c *http2.Client) bool {
		if !c.Idle() {
			return false
		}
		c.Close()
		return true
	})
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
	all := p.old
	for _, t := range p.lines {
		all = append(all, t.clients...)
		t.clients = nil
	}
	p.old = nil
	for _, c := range all {
		c.Close()
		<-c.Done()
	}
}
