package lb

import (
	"errors"
	"sync/atomic"
	"time"
)

// Lease is a place on a server. It takes at most one outcome, Record, Fail or
// Beaten, and is given back by Release; neither counts twice, however often and from
// however many goroutines it is called. A Lease stays good when its server is
// removed. It must not be copied. The zero Lease has no server and does
// nothing.
type Lease struct {
	balancer  *Balancer
	candidate *Candidate
	shadow    *Candidate // the place that the shadow strategy would have taken; nil for none
	done      atomic.Uint32
}

// What has been done with a lease. It stands in one word, since a struct of
// more than four fields is handed around in memory and not in registers, which
// every selection feels.
const (
	judged uint32 = 1 << iota
	released
)

// first tells that none has done this before.
func (l *Lease) first(what uint32) bool { return l.candidate != nil && l.done.Or(what)&what == 0 }

// Server is the chosen server, as it was configured at the time; nil for the
// zero Lease. It must not be changed.
func (l *Lease) Server() *Server {
	if l.candidate == nil {
		return nil
	}
	return l.candidate.server
}

// Token stands for the chosen server in a session: given back as
// Query.Prefer it brings the session to the same server again, for as long as
// that can be used, over changes, restarts and in every process that knows the
// server by the same ID. It does not tell who the server is. 0 for the zero
// Lease.
func (l *Lease) Token() uint64 {
	if l.candidate == nil {
		return 0
	}
	return l.candidate.member.token
}

// Record says that the server did its work, and how long its answer took.
func (l *Lease) Record(took time.Duration) {
	if !l.first(judged) {
		return
	}
	took = max(took, 1)
	l.candidate.member.times.record(took, l.balancer.clock.ticks())
	if l.shadow != nil {
		l.shadow.shade.busy.Add(int64(took))
	}
}

// Fail says that the server failed this request. The cause is shown to people
// where failures lead to an ejection. A request that the client gave up, or
// that was wrong itself, is not the server's failure: then call neither.
func (l *Lease) Fail(cause error) {
	if !l.first(judged) {
		return
	}
	m := l.candidate.member
	streak := m.times.fail(l.balancer.clock.ticks())
	l.balancer.suspect(m)
	if limit := l.balancer.ejectAfter.Load(); limit > 0 && (streak >= limit || errors.Is(cause, ErrUnreachable)) {
		l.balancer.eject(m, cause)
	}
}

// beatenOnce is how often in a row a server may be beaten. One that is slow now
// and then hardly ever is more often, and one that hangs always.
const beatenOnce = 3

// Beaten says that another server's answer came first to a request that both
// were asked, this one having had so long. It is an outcome instead of Record
// or Fail. A server that is beaten again and again, without an answer in
// between, has failed.
func (l *Lease) Beaten(after time.Duration) {
	if l.done.Load()&judged != 0 || l.candidate == nil {
		return
	}
	if l.candidate.member.times.lose(max(after, 1), l.balancer.clock.ticks()) > beatenOnce {
		l.Fail(errBeaten)
		return
	}
	l.first(judged)
}

var errBeaten = errors.New("other servers answered first, again and again")

// Release gives the place back, to whoever waits for one.
func (l *Lease) Release() {
	if !l.first(released) {
		return
	}
	l.candidate.giveBack()
	if l.shadow != nil {
		l.shadow.giveBack()
	}
	l.balancer.queue.placeFreed(l.balancer)
}
