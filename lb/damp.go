package lb

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// flapping is where a member stands with damping.
type flapping struct {
	health.Flaps
	known bool // whether up holds the member's state without damping
	up    bool
	total int64 // how often it was kept out
}

func (f *flapping) out() bool { return !f.Until().IsZero() }

// damp takes in who came up or went down by this decision, and tells whether
// that keeps somebody out who was not, so that it has to be made again. What
// somebody wants, such as a drain, is no flapping; nor is a new server's first
// state.
func (b *Balancer) damp(members []*member, evidence []health.Evidence, d health.Decision, now time.Time) (again bool) {
	if b.health.Damping.Suppress == 0 {
		return false
	}
	for i, m := range members {
		v := d.Verdicts[i]
		if v.Rule == 18 {
			plain := evidence[i]
			plain.Damped = false
			v = b.health.Policy.Merge(plain, d.PeerUp)
		}
		was, known := m.flaps.up, m.flaps.known
		switch {
		case v.Rule == 3 || v.State == health.Pending: // nothing new is known of it
			continue
		case v.State == health.Up:
			m.flaps.known, m.flaps.up = true, true
		case v.State == health.Down || v.State == health.Ejected:
			m.flaps.known, m.flaps.up = true, false
		default:
			m.flaps.known = false
			continue
		}
		if !known || was == m.flaps.up || !m.flaps.Change(b.health.Damping, now) || !b.mayDamp(members, d, i) {
			continue
		}
		m.flaps.Suppress(b.health.Damping, now)
		m.flaps.total++
		evidence[i].Damped, again = true, true
	}
	return again
}

// mayDamp tells whether the budget of ejections allows for one more, the last
// one up never. A server that is down just now counts as up: it is from when it
// comes back that it will be missed.
func (b *Balancer) mayDamp(members []*member, d health.Decision, i int) bool {
	out, up := 0, 0
	for j, m := range members {
		switch {
		case j == i:
			up++
		case m.flaps.out() || d.Verdicts[j].State == health.Ejected:
			out++
		case d.Verdicts[j].State == health.Up:
			up++
		}
	}
	return b.health.Ejection.Allows(out, len(members), up)
}
