package discovery

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// The timing of watches. Consul clients are told to limit the rate of blocking
// queries, since each write wakes them; the figures are ours.
const (
	burst      = 2                      // reads at once
	refill     = 2 * time.Second        // until the next one beyond that
	floor      = 100 * time.Millisecond // between any two
	backoff    = 250 * time.Millisecond // the first, doubled with each failure …
	backoffCap = 30 * time.Second       // … up to this; the real one is random below it
	reread     = 5 * time.Minute        // without an index, less or more a fifth, in case a change was missed
	holdMargin = 11 * time.Second       // beyond the server's own wait: its hold for a new leader, and the way
	staleAfter = 30 * time.Second       // past the latest moment at which an answer was due
)

// Watcher follows a Source. Its fields are set before Run and not changed.
type Watcher struct {
	Source Source
	Wait   time.Duration // how long the source lets a query wait; what is beyond is bounded from it
	// Turned is told when answers stop coming, when the kind of trouble
	// changes, and when they come again; nil tells nobody. It must be quick.
	Turned func(Status)

	mu     sync.Mutex
	status Status
}

// Status is how a watch is doing.
type Status struct {
	Index    uint64
	Answered time.Time     // the last good answer; zero before the first
	Err      error         // why the last try failed; nil when it did not
	Class    string        // of Err
	Since    time.Time     // of the present run of failures, or of successes
	Pause    time.Duration // until the next try after Err
	Answers  int64         // good ones
	Failures map[string]int64
	due      time.Duration // how long after an answer the next is due at the latest
}

// Freshness is how far the last answer can be trusted at a moment, if it
// expires after maxStale, and when that changes next without another.
func (s Status) Freshness(now time.Time, maxStale time.Duration) (f health.Freshness, changes time.Time) {
	stale := s.Answered.Add(s.due + staleAfter)
	expired := s.Answered.Add(maxStale)
	switch {
	case !now.Before(expired):
		return health.Expired, time.Time{}
	case !now.Before(stale):
		return health.Stale, expired
	}
	return health.Fresh, stale
}

// Status returns how the watch is doing.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.due = w.due()
	s.Failures = maps.Clone(s.Failures)
	return s
}

// due is how long a healthy source takes at most: its wait, and the sixteenth
// of it that Consul adds at random.
func (w *Watcher) due() time.Duration { return w.Wait + w.Wait/16 }

// Run asks until ctx ends, and tells of every good answer by emit, changed or
// not, since an answer that says nothing new still renews the last.
func (w *Watcher) Run(ctx context.Context, emit func(Snapshot)) {
	var (
		limit    = rate.NewLimiter(rate.Every(refill), burst)
		index    uint64
		failures int
		afresh   = time.Now().Add(rereadTime())
	)
	for limit.Wait(ctx) == nil {
		after := index
		if !time.Now().Before(afresh) {
			after, afresh = 0, time.Now().Add(rereadTime())
		}
		begin := time.Now()
		snapshot, err := w.fetch(ctx, after)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			// A server that restarted may count anew: begin without an index.
			failures++
			index = 0
			pause := pauseAfter(err, failures)
			w.failed(err, pause)
			if !sleep(ctx, pause) {
				return
			}
			continue
		case snapshot.Index < after:
			// The server went back, to a backup or to an empty state. What it
			// says now may be the one before it has caught up.
			failures, index = 0, 0
		default:
			failures, index = 0, max(snapshot.Index, 1)
			w.answered(snapshot)
			emit(snapshot)
		}
		if !sleep(ctx, floor-time.Since(begin)) {
			return
		}
	}
}

// fetch bounds one query, so that a connection that died in silence is found
// out in little more than the wait.
func (w *Watcher) fetch(ctx context.Context, after uint64) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, w.due()+holdMargin)
	defer cancel()
	return w.Source.Fetch(ctx, after)
}

func (w *Watcher) answered(s Snapshot) {
	w.note(func(st *Status) {
		if st.Err != nil || st.Since.IsZero() {
			st.Since = s.At
		}
		st.Index, st.Answered, st.Err, st.Class, st.Pause = s.Index, s.At, nil, "", 0
		st.Answers++
	})
}

func (w *Watcher) failed(err error, pause time.Duration) {
	w.note(func(st *Status) {
		if st.Err == nil {
			st.Since = time.Now()
		}
		st.Err, st.Class, st.Pause = err, classOf(err), pause
		if st.Failures == nil {
			st.Failures = make(map[string]int64)
		}
		st.Failures[st.Class]++
	})
}

func (w *Watcher) note(change func(*Status)) {
	w.mu.Lock()
	class := w.status.Class
	change(&w.status)
	turned := w.status.Class != class
	w.mu.Unlock()
	if turned && w.Turned != nil {
		w.Turned(w.Status())
	}
}

func classOf(err error) string {
	if known, ok := errors.AsType[*Error](err); ok {
		return known.Class
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "other"
}

// pauseAfter is full jitter over a bound that doubles (Brooker, Exponential
// Backoff and Jitter, 2015), so that agents which failed together do not come
// back together.
func pauseAfter(err error, failures int) time.Duration {
	bound := backoffCap
	if failures < 8 {
		bound = min(backoff<<(failures-1), backoffCap)
	}
	pause := rand.N(bound)
	if known, ok := errors.AsType[*Error](err); ok && known.Pause > 0 {
		pause = known.Pause + rand.N(5*known.Pause)
	}
	return pause
}

func rereadTime() time.Duration { return reread - reread/5 + rand.N(2*reread/5) }

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
