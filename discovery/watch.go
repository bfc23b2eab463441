package discovery

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The timing of watches. Consul clients are told to limit the rate of blocking
// queries, since each write wakes them; the figures are ours.
const (
	burst      = 2                      // reads at once
	refill     = 2 * time.Second        // until the next one beyond that
	floor      = 100 * time.Millisecond // between an answer and the next
	backoff    = 250 * time.Millisecond // the first, doubled with each failure …
	backoffCap = 30 * time.Second       // … up to this; the real one is random below it
	reread     = 5 * time.Minute        // without an index, less or more a fifth, in case a change was missed
	holdMargin = 11 * time.Second       // beyond the server's own wait: its hold for a new leader, and the way
	staleAfter = 30 * time.Second       // past the latest moment at which an answer was due
	herd       = time.Second            // over which reads are spread that a server's restart causes everywhere
	apart      = time.Second            // between two readings that confirm each other
	pollEvery  = 15 * time.Second       // less or more a fifth, where Poll says so
)

// Watcher follows a Source. Its fields are set before Run and not changed.
type Watcher struct {
	Source Source
	Wait   time.Duration // how long the source lets a query wait; what is beyond is bounded from it
	// Known is what was believed before, such as from an Archive. The first
	// answers are judged beside it; it is not emitted.
	Known Snapshot
	// Start is over how long the first query is put off at random, so that
	// agents which are started together do not ask together.
	Start time.Duration
	// Recovery is shared with other watches of the same source; nil is one of its
	// own.
	Recovery *Recovery
	// Poll tells whether to ask now and then instead of waiting for changes,
	// where there are more watches than may wait; nil is never.
	Poll func() bool
	// Turned is told of the first answer, when answers stop coming, when the
	// kind of trouble changes, when they come again, when their index falls, and
	// when a suspicion begins or ends; nil tells nobody. It must be quick.
	Turned func(Status)
	// Jitter returns a random part of a time; nil takes one from math/rand.
	Jitter func(time.Duration) time.Duration

	mu     sync.Mutex
	status Status
}

// due is how long a healthy source takes at most: its wait, and the sixteenth
// of it that Consul adds at random.
func (w *Watcher) due() time.Duration { return w.Wait + w.Wait/16 }

// Run asks until ctx ends, and tells of every good answer by emit, changed or
// not, since an answer that says nothing new still renews the last.
func (w *Watcher) Run(ctx context.Context, emit func(Snapshot)) {
	f := following{Watcher: w, emit: emit, known: w.Known, afresh: time.Now().Add(w.about(reread))}
	if f.recovery = w.Recovery; f.recovery == nil {
		f.recovery = new(Recovery)
	}
	limit := rate.NewLimiter(rate.Every(refill), burst)
	r := rest{time: w.random(w.Start)}
	for f.next(ctx, r, limit) {
		if f.trial != nil {
			r = f.try(ctx)
		} else {
			r = f.follow(ctx)
		}
	}
}

// next waits for the moment to ask again, and tells whether to. After a failure
// the Recovery bounds the rate, for all watches together.
func (f *following) next(ctx context.Context, r rest, limit *rate.Limiter) bool {
	if r.failed {
		return f.recovery.rest(ctx, f.Watcher, r)
	}
	return f.sleep(ctx, r) && limit.Wait(ctx) == nil
}

// following is the course of one Run.
type following struct {
	*Watcher
	recovery *Recovery
	emit     func(Snapshot)
	known    Snapshot // the last answer that was believed
	index    uint64   // to ask on from; 0 asks for the present state
	failures int      // in a row
	afresh   time.Time
	trial    *trial // of an answer that is not believed; nil if there is none
}

// follow waits for the next answer, and returns how long to rest after it.
func (f *following) follow(ctx context.Context) rest {
	after, poll := f.index, f.Poll != nil && f.Poll()
	if poll || !time.Now().Before(f.afresh) {
		after, f.afresh = 0, time.Now().Add(f.about(reread))
	}
	s, err := f.bounded(ctx, func(ctx context.Context) (Snapshot, error) { return f.Source.Fetch(ctx, after) })
	if err != nil {
		return f.fail(ctx, err)
	}
	f.answered()
	if reason := doubt(f.known, s); reason != "" {
		return f.suspect(reason, s)
	}
	f.believe(s, false)
	switch {
	case poll:
		return rest{time: f.about(pollEvery)}
	case s.Index < after: // the server counts anew, and woke everybody else too
		f.index = 0
		return rest{time: f.random(herd)}
	}
	return rest{time: floor}
}

// bounded bounds one query, so that a connection that died in silence is found
// out in little more than the wait.
func (f *following) bounded(ctx context.Context, query func(context.Context) (Snapshot, error)) (Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, f.due()+holdMargin)
	defer cancel()
	return query(ctx)
}

// believe puts an answer in force.
func (f *following) believe(s Snapshot, borneOut bool) {
	f.index = max(s.Index, 1)
	if s.Index == 0 { // missing or unreadable, which says nothing
		s.Index = f.known.Index
	}
	f.known, f.trial = s, nil
	f.believed(s, borneOut)
	f.emit(s)
}

// answered notes that a query was answered, whatever by.
func (f *following) answered() {
	if f.failures > 0 {
		f.failures = 0
		f.recovery.answered()
	}
}

// fail notes that a query failed. A server that restarted may count anew, so
// the next one is without an index.
func (f *following) fail(ctx context.Context, err error) rest {
	if ctx.Err() != nil {
		return rest{}
	}
	f.failures++
	f.index = 0
	r := f.restAfter(err, f.failures)
	var suspicion *Suspicion
	if t := f.trial; t != nil {
		r.time = max(r.time, apart)
		t.first, t.suspicion.Confirmations = nil, 0
		copied := t.suspicion
		suspicion = &copied
	}
	f.failed(err, r.time, suspicion)
	return r
}
