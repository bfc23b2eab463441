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

// pauseAfter is full jitter over a bound that doubles (Brooker, Exponential
// Backoff and Jitter, 2015), so that agents which failed together do not come
// back together.
func (w *Watcher) pauseAfter(err error, failures int) time.Duration {
	if known, ok := errors.AsType[*Error](err); ok && known.Pause > 0 {
		return known.Pause + w.random(5*known.Pause)
	}
	return w.random(bound(backoff, failures))
}

// bound doubles first with each failure after the first one, up to backoffCap.
func bound(first time.Duration, failures int) time.Duration {
	if failures > 8 {
		return backoffCap
	}
	return min(first<<(max(1, failures)-1), backoffCap)
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
