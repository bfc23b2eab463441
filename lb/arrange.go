package lb

import (
	"math"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// arrange makes a pool of what may be used. What its pickers can go on from,
// they take over from those of the last pool.
func (b *Balancer) arrange(levels []level, last *pool, now time.Time) *pool {
	next := &pool{random: b.random, err: ErrNoServers, strategy: b.strategy.Name()}
	next.index()
	before := make(map[int]*tier)
	if last != nil {
		for i := range last.tiers {
			t := &last.tiers[i]
			before[t.rank] = t
			if r, ok := t.picker.(rotating); ok {
				r.rotates().settle()
			}
		}
	}
	shares := 0.0
	for _, l := range levels {
		if len(l.usable) == 0 {
			continue
		}
		shares += l.share
		t := tier{rank: l.rank, upTo: upTo(shares)}
		b.fill(&t, l, next, now)
		b.prepare(&t, before[l.rank])
		next.usable += len(t.candidates)
		next.tiers = append(next.tiers, t)
	}
	for i := range next.tiers {
		for _, c := range next.tiers[i].candidates {
			c.member.place.Tier, c.member.place.Of = i+1, len(next.tiers)
		}
	}
	return next
}

// upTo is a sum of shares as a part of all random numbers.
func upTo(shares float64) uint64 {
	if shares > 1-1e-9 {
		return math.MaxUint64
	}
	return uint64(shares * (1 << 32) * (1 << 32))
}

// fill makes the candidates of a tier.
func (b *Balancer) fill(t *tier, l level, next *pool, now time.Time) {
	chosen := b.placement.Subset.of(l.present, l.usable)
	for _, m := range l.usable {
		m.place = Place{Spared: true}
	}
	all, sum := make([]Candidate, len(chosen)), 0.0
	t.candidates = make([]*Candidate, len(chosen))
	for i, m := range chosen {
		weight, part, changes := b.inForce(m, now)
		if changes > 0 {
			next.revisitIn(changes, b.clock)
		}
		all[i] = Candidate{
			server: m.spec, member: m, load: m.load,
			weight: weight, unit: 1 / weight, limit: int64(m.spec.MaxConnections), state: m.verdict.State,
		}
		t.candidates[i] = &all[i]
		m.place = Place{Part: part, Share: l.share * weight}
		sum += weight
	}
	for _, m := range chosen {
		m.place.Share /= sum
	}
}

// inForce is the weight that strategies see, which part of the whole that is,
// and when that changes; 0 for never.
func (b *Balancer) inForce(m *member, now time.Time) (weight, part float64, changes time.Duration) {
	if m.verdict.State != health.Up { // in a panic, as if it were
		return float64(m.weight()), 1, 0
	}
	part, changes = b.placement.SlowStart.part(now.Sub(m.since))
	return float64(m.verdict.Weight) * part, part, changes
}

// prepare makes the pickers of a tier, of which last is what it was before; nil
// where there was none.
func (b *Balancer) prepare(t *tier, last *tier) {
	if last == nil {
		last = new(tier)
	}
	t.picker = b.strategy.Prepare(Roster{t.candidates, last.picker, b.random, b.clock})
	if b.shadow == nil {
		return
	}
	t.shadow = shadowTier{candidates: make([]*Candidate, len(t.candidates)), count: b.shadowCount}
	for i, c := range t.candidates {
		m := c.member
		if m.shadow == nil {
			m.shadow = new(shadowed)
		}
		seen := *c
		seen.load, seen.shade, seen.total = &m.shadow.load, m.shadow, nil
		t.shadow.candidates[i] = &seen
	}
	t.shadow.picker = b.shadow.Prepare(Roster{t.shadow.candidates, last.shadow.picker, b.random, b.clock})
}
