package proxy

import (
	"context"
	"sync"
)

// tunnels are what carries bytes both ways, so that a drain can wait for it:
// the HTTP server knows nothing more of a connection it handed over.
type tunnels struct {
	mu     sync.Mutex
	ended  *sync.Cond
	open   map[carrier]struct{}
	closed bool
}

// carrier is what carries bytes both ways.
type carrier interface {
	cut() // ends it soon; any goroutine
}

func newTunnels() *tunnels {
	ts := &tunnels{open: make(map[carrier]struct{})}
	ts.ended = sync.NewCond(&ts.mu)
	return ts
}

// add remembers c until done is called; it is false after a drain.
func (ts *tunnels) add(c carrier) (done func(), ok bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.closed {
		return nil, false
	}
	ts.open[c] = struct{}{}
	return func() {
		ts.mu.Lock()
		delete(ts.open, c)
		ts.mu.Unlock()
		ts.ended.Broadcast()
	}, true
}

// each calls f for all that are open; f must not wait.
func (ts *tunnels) each(f func(carrier)) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for c := range ts.open {
		f(c)
	}
}

// drain waits until the last has ended, and cuts them when ctx ends.
func (ts *tunnels) drain(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.closed = true
		for c := range ts.open {
			c.cut()
		}
	})
	defer stop()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for len(ts.open) > 0 {
		ts.ended.Wait()
	}
	ts.closed = true
}
