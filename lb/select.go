package lb

import (
	"context"
	"errors"
	"fmt"
)

// Why there can be no server to select.
var (
	ErrNoServers  = errors.New("lb: there are no servers")
	ErrNoHealthy  = errors.New("lb: no server is healthy")
	ErrNoCapacity = errors.New("lb: every healthy server is at its limit")
	ErrAllTried   = errors.New("lb: every healthy server was tried")

	// Two kinds of ErrNoCapacity, where there is a Queue.
	ErrQueueFull    = fmt.Errorf("%w, and its queue is full", ErrNoCapacity)
	ErrQueueTimeout = fmt.Errorf("%w, and gave none free in time", ErrNoCapacity)
)

// Select chooses a server for a client key ("" for none) and reserves a place
// on it. Servers whose IDs are in tried are left out, for a retry elsewhere.
// The errors are ErrNoServers, ErrNoHealthy, ErrNoCapacity and ErrAllTried.
// The caller must release the lease.
func (b *Balancer) Select(key string, tried ...string) (Lease, error) {
	return b.lease(b.current().choose(Query{Key: key, Tried: tried}))
}

// Acquire is Select for all that a Query can ask for. Where every server is at
// its limit and the balancer has a queue, it waits there for a place; what it
// returns when that fails is ErrQueueFull or ErrQueueTimeout, which are
// ErrNoCapacity too, or the cause for which ctx ended.
func (b *Balancer) Acquire(ctx context.Context, q Query) (Lease, error) {
	c, shadow, err := b.current().choose(q)
	if errors.Is(err, ErrNoCapacity) && b.queue.open() {
		c, shadow, err = b.wait(ctx, q)
	}
	return b.lease(c, shadow, err)
}

func (b *Balancer) lease(c, shadow *Candidate, err error) (Lease, error) {
	if err != nil {
		return Lease{}, err
	}
	return Lease{balancer: b, candidate: c, shadow: shadow}, nil
}

// choose chooses a server for q and takes a place on it, and where the shadow
// strategy would have taken one.
func (p *pool) choose(q Query) (c, shadow *Candidate, err error) {
	if len(p.tiers) == 0 {
		return nil, nil, p.err
	}
	t, c := p.pick(q)
	if c == nil {
		return nil, nil, p.refusal(q)
	}
	if t.makeshift != nil {
		t.makeshift.n.Add(1)
	}
	if t.shadow.picker != nil {
		shadow = t.shadow.take(q, c)
	}
	return c, shadow, nil
}

// current returns the pool in force, after doing what time alone demands, such
// as ending ejections that are due. While Run runs that is done there, so that
// no request has to wait for it.
func (b *Balancer) current() *pool {
	p := b.pool.Load()
	if p.revisit == 0 || b.running.Load() {
		return p
	}
	return b.refresh()
}

// refresh is current, whether or not Run runs. Where another goroutine holds
// the lock, the old pool serves once more.
func (b *Balancer) refresh() *pool {
	p := b.pool.Load()
	if p.revisit == 0 || b.clock.ticks() < p.revisit || !b.mu.TryLock() {
		return p
	}
	b.rebuild()
	b.mu.Unlock()
	b.queue.placeFreed(b)
	b.tell()
	return b.pool.Load()
}
