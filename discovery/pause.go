package discovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// random is a random part of d, 0 for none. It is never all of it.
func (w *Watcher) random(d time.Duration) time.Duration {
	switch {
	case d <= 0:
		return 0
	case w.Jitter != nil:
		return w.Jitter(d)
	}
	return rand.N(d)
}

// about is a random time around d, less or more a fifth.
func (w *Watcher) about(d time.Duration) time.Duration { return d - d/5 + w.random(2*d/5) }

// rest is how long to leave the source alone.
type rest struct {
	time   time.Duration
	sooner <-chan struct{} // ends it before; nil does not
	free   bool            // what was asked reached nobody, so the next goes at nobody's cost
}

// restAfter is full jitter over a bound that doubles (Brooker, Exponential
// Backoff and Jitter, 2015), so that agents which failed together do not come
// back together; the error may know better.
func (w *Watcher) restAfter(err error, failures int) rest {
	known, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		known = new(Error)
	case known.Pause > 0:
		return rest{time: known.Pause + w.random(5*known.Pause), sooner: known.Sooner}
	case known.Limit > 0:
		return rest{time: known.Limit/2 + w.random(known.Limit/2), sooner: known.Sooner, free: true}
	}
	return rest{time: w.random(bound(backoff, failures)), sooner: known.Sooner}
}

// bound doubles first with each failure after the first one, up to backoffCap.
func bound(first time.Duration, failures int) time.Duration {
	if failures > 8 {
		return backoffCap
	}
	return min(first<<(max(1, failures)-1), backoffCap)
}

// sleep rests, and tells whether to go on. What ends a rest early ends that of
// many, which do not all go on at the same moment.
func (w *Watcher) sleep(ctx context.Context, r rest) bool {
	if r.time <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(r.time)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	case <-r.sooner:
		return w.sleep(ctx, rest{time: w.random(herd)})
	}
}
