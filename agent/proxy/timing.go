package proxy

import (
	"context"
	"sync/atomic"
	"time"
)

// The times of an exchange are only noted as its phases change, and looked at
// by the clock's goroutine, so that a request that takes no time costs none.

// glance is how often a waiting exchange is looked at: whether its client is
// still there, which has to show within a tenth of a second.
const glance = 50 * time.Millisecond

// deadlines are moments by the clock; 0: none.
type deadlines struct {
	glance  atomic.Int64 // when to look for the client
	total   atomic.Int64 // of the exchange
	upload  atomic.Int64 // of the next byte from the client
	answer  atomic.Int64 // of the next byte from the backend
	deliver atomic.Int64 // of the next byte that the client takes
	hedge   atomic.Int64 // when another server is asked too
	first   atomic.Bool  // answer is the answer's first byte
}

// within sets a deadline a while from now; 0 is for ever.
func (x *exchange) within(deadline *atomic.Int64, now, d time.Duration) {
	if d <= 0 {
		deadline.Store(0)
		return
	}
	at := now + d
	deadline.Store(int64(at))
	x.alarm.Earlier(at)
}

// passed tells whether a deadline is over, and brings next forward to it where
// it is not.
func passed(deadline *atomic.Int64, now time.Duration, next *time.Duration) bool {
	at := time.Duration(deadline.Load())
	if at == 0 || at > now {
		if at != 0 {
			*next = min(*next, at)
		}
		return false
	}
	return true
}

// The phases that can take too long. A stalled upload is not held against the
// backend, nor a client that does not read.
var (
	uploadStalled = &failure{kind: IdleTimeout, blameless: true}
	answerLate    = &failure{kind: FirstByteTimeout}
	answerStalled = &failure{kind: IdleTimeout}
	requestLate   = &failure{kind: RequestTimeout, blameless: true}
	clientStalled = &failure{kind: IdleTimeout, blameless: true, gone: true}
	clientGone    = &failure{kind: Reset, blameless: true, gone: true}
	drainEnded    = &failure{kind: Reset, blameless: true, gone: true}
	ourFault      = &failure{kind: Internal, blameless: true}
	serverRemoved = &failure{kind: Removed, blameless: true}
)

// look ends the exchange if it is time to, and returns when to look again. It
// does no harm to look at one that is over, or is another's already.
func (x *exchange) look(now time.Duration) (next time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.active {
		return 0
	}
	next = now + time.Hour
	glances := passed(&x.deadlines.glance, now, &next)
	if glances {
		next = now + glance
		x.deadlines.glance.Store(int64(next))
	}
	switch {
	case x.cause != nil:
	case passed(&x.deadlines.total, now, &next):
		x.stopLocked(requestLate)
	case passed(&x.deadlines.upload, now, &next):
		x.stopLocked(uploadStalled)
	case passed(&x.deadlines.answer, now, &next):
		if x.deadlines.first.Load() {
			x.stopLocked(answerLate)
		} else {
			x.stopLocked(answerStalled)
		}
	case passed(&x.deadlines.deliver, now, &next):
		x.stopLocked(clientStalled)
	case passed(&x.deadlines.hedge, now, &next):
		x.deadlines.hedge.Store(0)
		x.beginHedgeLocked()
	case glances && x.client.Gone():
		x.stopLocked(clientGone)
	case glances && x.orphanedLocked(now):
		x.stopLocked(serverRemoved)
	}
	if x.cause != nil && (x.writing.Load() || x.cause.gone) {
		x.client.Cut() // nothing else ends what waits for the client to read
	}
	return next
}

// stop ends what the exchange waits for, for a reason; the first one counts.
func (x *exchange) stop(cause *failure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.active {
		x.stopLocked(cause)
	}
}

func (x *exchange) stopLocked(cause *failure) {
	if x.cause != nil {
		return
	}
	x.cause = cause
	x.try.interruptLocked(cause)
	x.rival.interruptLocked(cause)
}

// goOn takes back a stop that was meant for one try.
func (x *exchange) goOn(cause *failure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause == cause && (cause == answerLate || cause == serverRemoved) {
		x.cause = nil
		x.try.forgetContextLocked()
	}
}

// stopped is why the attempt was ended; nil while it was not.
func (a *attempt) stopped() *failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stoppedLocked()
}

func (a *attempt) stoppedLocked() *failure {
	if a.cause == nil && a.won != nil && a.won != a {
		return beaten
	}
	return a.cause
}

// attach makes b what is interrupted; nil takes it away. It tells why the
// attempt was ended before.
func (a *attempt) attach(b outbound) *failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.backend = b
	return a.stoppedLocked()
}

func (a *attempt) interruptLocked(cause *failure) {
	if a.backend != nil {
		a.backend.Interrupt()
	}
	if a.cancel != nil {
		a.cancel(cause)
	}
}

// context ends when the attempt is stopped, with the reason as its cause. It
// is made only where something really has to wait for it.
func (a *attempt) context() context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx == nil {
		a.ctx, a.cancel = context.WithCancelCause(context.Background())
		if cause := a.stoppedLocked(); cause != nil {
			a.cancel(cause)
		}
	}
	return a.ctx
}

func (a *attempt) forgetContextLocked() {
	if a.cancel != nil {
		a.cancel(nil)
	}
	a.ctx, a.cancel = nil, nil
}

// waiting is the attempt as a context that is made when first asked for.
type waiting struct{ *attempt }

func (w waiting) Deadline() (time.Time, bool) { return time.Time{}, false }
func (w waiting) Done() <-chan struct{}       { return w.context().Done() }
func (w waiting) Err() error                  { return w.context().Err() }
func (w waiting) Value(key any) any           { return w.context().Value(key) }
