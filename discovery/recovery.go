package discovery

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The timing of a source that errs, for all its watches together.
const (
	ahead   = apart                  // and up to a quarter more, between two that one watch is sent ahead for
	errRate = 600 * time.Millisecond // between any two tries, of whichever watch
	escort  = 2                      // watches that follow each that got an answer
)

// Recovery is how the watches of one source find out together that it answers
// again. Each of them backs off for itself. Beside that, the one that was
// answered last asks every second, whatever its backoff, so that a source which
// was away for long is not missed for long; when it gets an answer two others
// follow, and two after each of those. So all are back within moments of the
// source, and yet it is not stormed, least of all one that answers a few and
// then errs again.
//
// The zero value is ready. Its watches may use it at once.
type Recovery struct {
	once    sync.Once
	limit   *rate.Limiter
	mu      sync.Mutex
	resting []*resting // in the order in which they failed
}

// resting is a watch that failed.
type resting struct {
	answered time.Time // last; zero for never
	patient  bool      // it is not to be sent ahead
	released chan struct{}
}

// rest leaves the source alone until r is over or it is w's turn, and tells
// whether to go on.
func (y *Recovery) rest(ctx context.Context, w *Watcher, r rest) bool {
	me := &resting{answered: w.Status().Answered, patient: r.patient, released: make(chan struct{})}
	y.enter(me)
	defer y.leave(me)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for end := time.Now().Add(r.time); ; {
		step := ahead + w.random(ahead/4)
		if left := time.Until(end); left > 0 {
			step = min(step, left)
		}
		timer.Reset(step)
		select {
		case <-ctx.Done():
			return false
		case <-me.released:
			return true
		case <-r.sooner: // as it does that of many, which do not all go on at one moment
			return w.sleep(ctx, rest{time: w.random(herd)})
		case <-timer.C:
			if (y.first() == me || !time.Now().Before(end)) && y.limit.Allow() {
				return true
			}
		}
	}
}

func (y *Recovery) enter(me *resting) {
	y.once.Do(func() { y.limit = rate.NewLimiter(rate.Every(errRate), 1) })
	y.mu.Lock()
	defer y.mu.Unlock()
	y.resting = append(y.resting, me)
}

func (y *Recovery) leave(me *resting) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.resting = slices.DeleteFunc(y.resting, func(r *resting) bool { return r == me })
}

// first is the watch that is sent ahead: the likeliest to get an answer. One
// that never had any may never get one.
func (y *Recovery) first() (first *resting) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, r := range y.resting {
		if !r.patient && (first == nil || r.answered.After(first.answered)) {
			first = r
		}
	}
	return first
}

// answered lets others follow a watch that is answered again. It is the best
// there is to know of a source that asked to be left alone, too.
func (y *Recovery) answered() {
	y.mu.Lock()
	defer y.mu.Unlock()
	n := min(escort, len(y.resting))
	for _, r := range y.resting[:n] {
		close(r.released)
	}
	y.resting = slices.Delete(y.resting, 0, n)
}
