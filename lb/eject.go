package lb

import (
	"errors"
	"fmt"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// eject takes m out because of its failures, if the policy allows.
func (b *Balancer) eject(m *member, cause error) {
	b.mu.Lock()
	if b.mayEject(m) {
		now, o := b.clock.now(), &m.outlier
		if now.Sub(o.ended) > b.health.Ejection.Max {
			o.row = 0 // it has behaved for long enough to start afresh
		}
		o.row++
		o.total++
		o.until = now.Add(b.health.Ejection.Length(o.row))
		o.ended = o.until
		o.unreachable = errors.Is(cause, ErrUnreachable)
		o.cause = fmt.Sprintf("%d failures in a row, the last: %v", m.times.streak.Load(), cause)
		m.regain = 0
		b.rebuild()
	}
	b.mu.Unlock()
	b.tell()
}

// ejected tells that m is out because of failed requests.
func (m *member) ejected() bool {
	return m.verdict.State == health.Ejected && !m.outlier.until.IsZero()
}

// readmit ends an ejection before its time; the caller holds mu and rebuilds.
func (m *member) readmit(now time.Time) {
	m.outlier.until, m.outlier.ended = time.Time{}, now
	m.times.streak.Store(0)
}

// mayEject looks again, under the lock: many callers may fail at one moment.
func (b *Balancer) mayEject(m *member) bool {
	policy := b.health.Ejection
	if policy.Failures <= 0 || m.times.streak.Load() < int64(policy.Failures) || m.verdict.State != health.Up {
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
