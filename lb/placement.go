package lb

import (
	"slices"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Placement decides which of the servers that may be used the strategy chooses
// among, and with what weights. The zero value is all of them with their own.
//
// Servers stand in tiers: first by Server.Priority, and within one priority
// those in the own zone before the others. The first tier gets all requests
// while it is healthy. A tier that has lost servers carries what those left
// can, 1.4 times their own share at most, and the rest goes to the next, so
// that traffic moves over bit by bit and not in one blow (Envoy's priority
// levels and its overprovisioning factor). Tiers also step in for one whose
// servers are all at their limit.
type Placement struct {
	Zone      string // one's own; "" makes no difference between zones
	SlowStart SlowStart
	Subset    Subset
}

// WithPlacement sets which servers the strategy chooses among.
func WithPlacement(p Placement) Option { return func(b *Balancer) { b.placement = p } }

// SetPlacement changes which servers the strategy chooses among.
func (b *Balancer) SetPlacement(p Placement) {
	_ = b.change(func() error { b.placement = p; return nil })
}

// Place is where a server stands in the pool, for people.
type Place struct {
	Tier   int     // 1 for the first; 0 where it is in none, since it may not be used
	Of     int     // tiers there are
	Spared bool    // it could be used, but is not in the subset
	Part   float64 // of its weight that is in force, 0 to 1: less than 1 during a slow start
	Share  float64 // of all requests that it should get by tiers and weights alone
}

// carries is how much more than its own share a server is trusted to carry
// when others of its tier are gone.
const carries = 1.4

// rank is a server's tier before empty ones are left out.
func (p Placement) rank(s *Server) int {
	if p.Zone == "" || s.Zone == p.Zone {
		return 2 * s.Priority
	}
	return 2*s.Priority + 1
}

// otherZone tells that a rank is of servers outside the own zone.
func otherZone(rank int) bool { return rank&1 != 0 }

// level is what there is of one tier.
type level struct {
	rank    int
	present []*member // that do not drain
	usable  []*member // of those, that may be used
	share   float64   // of the requests
}

// levels sorts members, of which usable are the positions of those that may be
// used, into tiers and gives each its share. It also returns what all tiers
// together can carry, which is 1 or more where that is everything.
func (p Placement) levels(members []*member, usable []int) (levels []level, able float64) {
	byRank := make(map[int]*level)
	of := func(m *member) *level {
		rank := p.rank(m.spec)
		if byRank[rank] == nil {
			byRank[rank] = &level{rank: rank}
		}
		return byRank[rank]
	}
	for _, m := range members {
		if m.verdict.State != health.Draining {
			l := of(m)
			l.present = append(l.present, m)
		}
	}
	for _, i := range usable {
		l := of(members[i])
		l.usable = append(l.usable, members[i])
	}
	for _, l := range byRank {
		levels = append(levels, *l)
	}
	slices.SortFunc(levels, func(a, b level) int { return a.rank - b.rank })
	left := 1.0
	for i := range levels {
		l := &levels[i]
		l.share = min(l.able(), left)
		able += l.able()
		left -= l.share
	}
	for i := range levels { // too little for everything: each as much as it is able to
		if left > 0 && left < 1 {
			levels[i].share /= 1 - left
		}
	}
	return levels, able
}

// able is which part of all requests a tier can carry, 0 to 1.
func (l *level) able() float64 {
	var up, all float64
	for _, m := range l.usable {
		up += float64(m.weight())
	}
	for _, m := range l.present {
		all += float64(m.weight())
	}
	if all == 0 || up == 0 {
		return 0
	}
	return min(carries*up/all, 1)
}

// weight is the server's configured weight.
func (m *member) weight() int { return max(m.spec.Weight, 1) }
