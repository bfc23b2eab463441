package proxy

import "sync"

// crew has goroutines that serve one connection after another. A new one begins
// with a small stack, which the first request has the runtime copy to a larger
// place several times; connections that live for one request would pay for that
// each. The zero value is ready.
type crew struct {
	running sync.WaitGroup
	mu      sync.Mutex
	idle    []chan func() // of those that wait for work, the last one first
	closed  bool
}

// mostIdleCrew bounds those that wait.
const mostIdleCrew = 256

// do has f run, unless the crew is closed.
func (c *crew) do(f func()) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	if n := len(c.idle); n > 0 {
		worker := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		worker <- f
		return
	}
	c.running.Go(func() { c.work(f) }) // with the lock held, so that close waits for it
	c.mu.Unlock()
}

func (c *crew) work(f func()) {
	next := make(chan func(), 1)
	for f != nil {
		f()
		c.mu.Lock()
		if c.closed || len(c.idle) == mostIdleCrew {
			c.mu.Unlock()
			return
		}
		c.idle = append(c.idle, next)
		c.mu.Unlock()
		f = <-next
	}
}

// close waits until all work is done, and lets everybody go.
func (c *crew) close() {
	c.mu.Lock()
	c.closed = true
	idle := c.idle
	c.idle = nil
	c.mu.Unlock()
	for _, worker := range idle {
		close(worker)
	}
	c.running.Wait()
}
