package lb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Queue lets callers of Acquire wait where every server is at its limit,
// instead of failing at once. The zero value has nobody wait.
type Queue struct {
	Length  int           // callers that may wait at once; 0: none
	Timeout time.Duration // the longest that one waits; 0: as long as its context lives
}

// queue is the callers that wait, first come, first served: whoever gives a
// place back finds the one who takes it.
type queue struct {
	waiting atomic.Int32 // read by every release
	length  atomic.Int32 // Queue.Length

	mu      sync.Mutex
	timeout time.Duration
	waiters []*waiter
	queued  int64 // ever
	gaveUp  int64 // of those, without a place
	refused int64 // since the queue was full
}

// waiter is a caller that waits. What it was given is there when ready is
// closed.
type waiter struct {
	query     Query
	ready     chan struct{}
	candidate *Candidate
	shadow    *Candidate
	err       error
}

func (q *queue) open() bool { return q.length.Load() > 0 }

func (q *queue) set(to Queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.length.Store(int32(min(max(to.Length, 0), 1<<30)))
	q.timeout = to.Timeout
}

// wait queues up for a place.
func (b *Balancer) wait(ctx context.Context, query Query) (c, shadow *Candidate, err error) {
	q, w, since := &b.queue, &waiter{query: query, ready: make(chan struct{})}, time.Now()
	q.mu.Lock()
	if len(q.waiters) >= int(q.length.Load()) {
		q.refused++
		q.mu.Unlock()
		return nil, nil, ErrQueueFull
	}
	q.waiters = append(q.waiters, w)
	q.queued++
	timeout := q.timeout
	// Known to those who release before the last look at what is free: between
	// the two no place can get lost.
	q.waiting.Add(1)
	q.serve(b)
	q.mu.Unlock()

	var late <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-w.ready:
	case <-ctx.Done():
		q.leave(w, context.Cause(ctx))
	case <-late:
		q.leave(w, fmt.Errorf("%w (%v)", ErrQueueTimeout, timeout))
	}
	if b.hooks.Waited != nil {
		b.hooks.Waited(time.Since(since))
	}
	return w.candidate, w.shadow, w.err
}

// leave takes w out for a reason, unless it has been served meanwhile.
func (q *queue) leave(w *waiter, why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiters, w); i >= 0 {
		q.waiters = slices.Delete(q.waiters, i, i+1)
		q.waiting.Add(-1)
		q.gaveUp++
		w.err = why
	}
}

// placeFreed is called after a place was given back, or the pool changed.
func (q *queue) placeFreed(b *Balancer) {
	if q.waiting.Load() == 0 {
		return
	}
	q.mu.Lock()
	q.serve(b)
	q.mu.Unlock()
}

// serve gives what is free to those who wait, in their order; the caller holds
// mu. One who has tried some servers may have to let others pass. It takes the
// pool as it is: to make a new one takes other locks, and has this called.
func (q *queue) serve(b *Balancer) {
	p, kept := b.pool.Load(), q.waiters[:0]
	for i, w := range q.waiters {
		w.candidate, w.shadow, w.err = p.choose(w.query)
		if !errors.Is(w.err, ErrNoCapacity) {
			if w.err != nil {
				q.gaveUp++
			}
			q.waiting.Add(-1)
			close(w.ready)
			continue
		}
		kept = append(kept, w)
		if len(w.query.Tried) == 0 { // nothing is free for anybody
			kept = append(kept, q.waiters[i+1:]...)
			break
		}
	}
	clear(q.waiters[len(kept):])
	q.waiters = kept
}

func (q *queue) stats(to *Stats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	to.Waiting, to.Queued, to.GaveUp, to.Refused = len(q.waiters), q.queued, q.gaveUp, q.refused
}
