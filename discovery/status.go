package discovery

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Status is how a watch is doing.
type Status struct {
	Index     uint64
	Answered  time.Time     // the last answer that was believed; zero before the first
	Lag       time.Duration // how old that answer was already when it came
	Hidden    bool          // the source leaves out instances for want of permission
	Err       error         // why the last try failed; nil when it did not
	Class     string        // of Err
	Since     time.Time     // of the present run of failures, or of successes
	Pause     time.Duration // until the next try after Err
	Answers   int64         // believed ones
	Failures  map[string]int64
	Suspicion *Suspicion // why the last answer is not believed yet; nil if it is. Must not be changed
	// Ended is "confirmed" or "rejected" while the last answer is the one that
	// ended a suspicion.
	Ended     string
	Confirmed int64         // suspicions that proved true
	Rejected  int64         // and those that did not
	Fell      bool          // the index of the last answer is lower than that of the one before
	Resets    int64         // times that it was
	Polling   bool          // asks now and then, for there are too many watches
	Places    []PlaceStatus // of a merged watch, in order of preference
	due       time.Duration
}

// Freshness is how far the last answer can be trusted at a moment, if it
// expires after maxStale, and when that changes next without another.
func (s Status) Freshness(now time.Time, maxStale time.Duration) (f health.Freshness, changes time.Time) {
	answered := s.Answered.Add(-s.Lag)
	stale := answered.Add(s.due + staleAfter)
	expired := answered.Add(maxStale)
	switch {
	case !now.Before(expired):
		return health.Expired, time.Time{}
	case !now.Before(stale):
		return health.Stale, expired
	case expired.Before(stale):
		return health.Fresh, expired
	}
	return health.Fresh, stale
}

// Status returns how the watch is doing.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	s.due = w.due() // how long after an answer the next is due at the latest
	s.Polling = w.Poll != nil && w.Poll()
	s.Failures = maps.Clone(s.Failures)
	return s
}

// believed notes an answer that is in force. A suspicion, if there was one, is
// over: it was borne out, or it was not.
func (w *Watcher) believed(s Snapshot, borneOut bool) {
	w.note(func(st *Status) {
		if st.Err != nil || st.Since.IsZero() {
			st.Since = s.At
		}
		if st.Fell = s.Index < st.Index; st.Fell {
			st.Resets++
		}
		st.Index, st.Answered, st.Lag, st.Err, st.Class, st.Pause = s.Index, s.At, 0, nil, "", 0
		if !s.Origin.Streamed {
			st.Lag, st.Hidden = s.Origin.Lag, s.Origin.Hidden
		}
		st.Answers++
		st.Ended = ""
		switch {
		case st.Suspicion == nil:
		case borneOut:
			st.Ended = "confirmed"
			st.Confirmed++
		default:
			st.Ended = "rejected"
			st.Rejected++
		}
		st.Suspicion = nil
	})
}

// doubted notes an answer that is not believed yet. The source did answer, so
// what failed before is over.
func (w *Watcher) doubted(s Suspicion) {
	w.note(func(st *Status) {
		if st.Err != nil {
			st.Since = time.Now()
		}
		st.Err, st.Class, st.Pause, st.Suspicion = nil, "", 0, &s
	})
}

// failed notes that a query failed, and how that leaves a suspicion, if there
// is one.
func (w *Watcher) failed(err error, pause time.Duration, s *Suspicion) {
	w.note(func(st *Status) {
		st.Suspicion = s
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

// note changes the status, and tells of what people want to know at once.
func (w *Watcher) note(change func(*Status)) {
	w.mu.Lock()
	before := w.status
	change(&w.status)
	turned := before.Answers == 0 && w.status.Answers > 0 || w.status.Resets != before.Resets || w.status.Class != before.Class || w.status.Hidden != before.Hidden ||
		(w.status.Suspicion == nil) != (before.Suspicion == nil)
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
