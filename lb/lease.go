package lb

import (
	"sync/atomic"
	"time"
)

// Lease is a place on a server. It takes at most one outcome, Record or Fail,
// and is given back by Release; neither counts twice, however often and from
// however many goroutines it is called. A Lease stays good when its server is
// removed. It must not be copied. The zero Lease has no server and does
// nothing.
type Lease struct {
	balancer  *Balancer
	candidate *Candidate
	judged    atomic.Bool
	released  atomic.Bool
}

// Server is the chosen server, as it was configured at the time; nil for the
// zero Lease. It must not be changed.
func (l *Lease) Server() *Server {
	if l.candidate == nil {
		return nil
	}
	return l.candidate.server
}

// Record says that the server did its work, and how long its answer took.
func (l *Lease) Record(took time.Duration) {
	if l.candidate == nil || l.judged.Swap(true) {
		return
	}
	c, now := &l.candidate.member.counters, ticks()
	if c.streak.Load() != 0 {
		c.streak.Store(0)
	}
	took = max(took, 1)
	c.last.Store(int64(took))
	c.busy.Add(int64(took))
	c.smoothed.add(took, now, false)
	c.cost.add(took, now, true)
}

// Fail says that the server failed this request. The cause is shown to people
// where failures lead to an ejection. A request that the client gave up, or
// that was wrong itself, is not the server's failure: then call neither.
func (l *Lease) Fail(cause error) {
	if l.candidate == nil || l.judged.Swap(true) {
		return
	}
	m := l.candidate.member
	m.failures.Add(1)
	m.cost.add(max(failureCost, 2*m.smoothed.load()), ticks(), true)
	streak := m.streak.Add(1)
	if limit := l.balancer.ejectAfter.Load(); limit > 0 && streak >= limit {
		l.balancer.eject(m, cause)
	}
}

// Release gives the place back.
func (l *Lease) Release() {
	if l.candidate == nil || l.released.Swap(true) {
		return
	}
	l.candidate.member.active.Add(-1)
}

// epoch is where ticks count from.
var epoch = time.Now()

// ticks is a monotonic clock in nanoseconds, for differences only.
func ticks() int64 { return int64(time.Since(epoch)) }
