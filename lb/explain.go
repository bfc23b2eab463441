package lb

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Explanation is all that there is to tell of why a server is judged as it is.
type Explanation struct {
	ServerStats
	Algebra  health.Algebra  // by which the witnesses' words became one
	Evidence health.Evidence // those words; its Before is what the verdict was
	History  []health.Result // of the last ten probes that were made, the oldest first
	// WouldChange lists in plain words what would change the verdict, the
	// smallest changes first; see health.Policy.WouldChange.
	WouldChange []string
}

// Explain is AllStats with all that led to each verdict, for people to read now
// and then.
func (b *Balancer) Explain() []Explanation {
	b.refresh()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.now()
	all := make([]Explanation, 0, len(b.members)+len(b.leaving))
	for _, m := range b.known(now) {
		all = append(all, Explanation{
			ServerStats: b.statsOf(m),
			Algebra:     b.health.Policy.Algebra,
			Evidence:    m.evidence(b.freshness, now),
			History:     m.history.All(),
			WouldChange: b.wouldChange(m, now),
		})
	}
	return all
}

func (b *Balancer) wouldChange(m *member, now time.Time) []string {
	p, margins := b.health.Policy, b.margins(m, now)
	if m.drained && m.left.IsZero() {
		e := m.evidence(b.freshness, now)
		e.Declared = m.spec.Declared
		return []string{p.Merge(e, margins.PeerUp).State.String() + " when it is no longer drained by hand"}
	}
	return p.WouldChange(m.evidence(b.freshness, now), margins)
}

func (b *Balancer) margins(m *member, now time.Time) health.Margins {
	margins := health.Margins{
		Failures: b.health.Ejection.Failures,
		PeerUp:   b.pool.Load().peerUp,
		Ejected:  m.outlier.until.Sub(now),
		Damped:   m.flaps.Until().Sub(now),
	}
	if check := b.health.Check; check != nil {
		margins.Rise, margins.Fall, margins.Regain = check.Rise, check.Fall, check.Rise-m.regain
		switch m.probe.Status {
		case health.ProbeDown:
			margins.Rise -= m.probe.Streak
		case health.ProbeUp:
			margins.Fall -= m.probe.Streak
		case health.Unproven: // the first good one is enough
			margins.Rise = 1
			margins.Fall -= m.probe.Streak
		}
	}
	if margins.Failures > 0 {
		margins.Failures = max(1, margins.Failures-int(m.times.streak.Load()))
	}
	return margins
}
