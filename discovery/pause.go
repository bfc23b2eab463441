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
	time    time.Duration
	failed  bool            // what was asked, so that the Recovery may end it before
	patient bool            // … only for another's answer: the source wants it, or it is no use
	sooner  <-chan struct{} // ends it before; nil does not
}

// restAfter is full jitter over a bound that doubles (Brooker, Exponential
// Backoff and Jitter, 2015), so that agents which failed together do not come
// back together; the error may know better.
func (w *Watcher) restAfter(err error, failures int) rest {
	r := rest{time: w.random(bound(backoff, failures)), failed: true}
	if known, ok := errors.AsType[*Error](err); ok {
		r.sooner, r.patient = known.Sooner, known.Pause > 0 || known.Sooner != nil
		if known.Pause > 0 {
			r.time = known.Pause + w.random(known.Pause)
		}
	}
	return r
}

// bound doubles first with each failure after the first one, up to backoffCap.
func bound(first time.Duration, failures int) time.Duration {
	if failures > 8 {
		return backoffCap
	}
	return min(first<<(max(1, failures)-1), backoffCap)
}

// sleep rests, and tells whether to go on.
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
	}
}
