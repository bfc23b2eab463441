package lb

import (
	"errors"
	"fmt"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// eject takes m out because of its failures, if the policy allows.
func (b *Balancer) eject(m *member, cause error) {
	_ = b.change(func() error {
		if !b.takeOut(m, cause) {
			return errUnchanged
		}
		return nil
	})
}

// takeOut notes an ejection, if the policy allows; the caller holds mu and
// rebuilds.
func (b *Balancer) takeOut(m *member, cause error) bool {
	unreachable := errors.Is(cause, ErrUnreachable)
	if !b.mayEject(m, unreachable) {
		return false
	}
	now, o := b.clock.now(), &m.outlier
	if now.Sub(o.ended) > b.health.Ejection.Max {
		o.row = 0 // it has behaved for long enough to start afresh
	}
	o.row++
	o.total++
	o.until = now.Add(b.health.Ejection.Length(o.row))
	o.ended = o.until
	o.unreachable = unreachable
	o.cause = fmt.Sprintf("%d failures in a row, the last: %v", m.times.streak.Load(), cause)
	if m.times.streak.Load() == 1 {
		o.cause = fmt.Sprint(cause)
	}
	m.regain = 0
	return true
}

// suspect has Health.Reach find out whether a server can be reached at all that
// has failed: a strategy that shuns it would not find out, nor that it is back.
func (b *Balancer) suspect(m *member) {
	if !m.suspected.Load() && m.suspected.CompareAndSwap(false, true) {
		b.look()
	}
}

// look has Run see whom to probe.
func (b *Balancer) look() { nudge(b.recheck) }

// nudge leaves a word in a channel that holds one, if none is there yet.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ejected tells that m is out because of failed requests.
func (m *member) ejected() bool {
	return m.verdict.State == health.Ejected && !m.outlier.until.IsZero()
}

// readmit ends an ejection before its time; the caller holds mu and rebuilds.
func (m *member) readmit(now time.Time) {
	m.outlier.ended = now
	m.afresh()
}

// afresh lets m back in. What its failures have cost is forgotten with them:
// else a strategy that goes by response times would keep it out for longer.
func (m *member) afresh() {
	m.outlier.until = time.Time{}
	m.times.streak.Store(0)
	m.times.cost.value.Store(0)
}

// mayEject looks again, under the lock: many callers may fail at one moment. A
// server that cannot be reached is out at its first failure, where Health.Reach
// will find out when it is back: a strategy that shuns it after one would never
// come to the second.
func (b *Balancer) mayEject(m *member, unreachable bool) bool {
	policy := b.health.Ejection
	enough := m.times.streak.Load() >= int64(policy.Failures) || unreachable && b.health.Reach != nil
	if policy.Failures <= 0 || !enough || m.verdict.State != health.Up {
		return false
	}
	ejected, up := 0, 0
	for _, other := range b.members {
		switch {
		case other.verdict.State == health.Ejected || other.flaps.out():
			ejected++
		case other.verdict.State == health.Up:
			up++
		}
	}
	return policy.Allows(ejected, len(b.members), up)
}
