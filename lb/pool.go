package lb

import (
	"slices"
	"sync"
	"time"
)

// pool is what selections work with. It never changes; its candidates point
// to the members' counters, which do.
type pool struct {
	tiers   []tier // in order of preference; none when there is no candidate
	usable  int    // candidates in all tiers
	err     error  // why there is no candidate
	known   int    // servers in the balancer, usable or not
	ejected int    // of those, out because of failed requests
	peerUp  bool   // see health.Decision
	panic   bool   // the candidates are more than those that are up
	revisit int64  // ticks when the pool is out of date by time alone; 0 for never
	random  func() uint64

	strategy string                  // its name
	tokens   func() map[uint64]known // of all candidates
}

// known is a candidate and where it stands.
type known struct {
	tier      *tier
	candidate *Candidate
}

// revisitIn has the pool be made anew after a time, at the latest.
func (p *pool) revisitIn(d time.Duration, c clock) {
	if at := c.ticks() + int64(d); p.revisit == 0 || at < p.revisit {
		p.revisit = at
	}
}

// tier is the candidates of one rank: a failover group, or the part of it in
// one's own zone.
type tier struct {
	rank       int // by which it is known again in the next pool
	candidates []*Candidate
	picker     Picker
	upTo       uint64 // its share of the requests and those before it, of 2^64-1
	shadow     shadowTier
	makeshift  *counter // of picks, where they are not as they should be; nil where they are
}

// pick chooses a candidate for q and takes a place on it. Where the tier whose
// share it is cannot serve, those preferred most come next.
func (p *pool) pick(q Query) (*tier, *Candidate) {
	if q.Prefer != 0 {
		if t, c := p.preferred(q); c != nil {
			return t, c
		}
	}
	drawn := 0
	if len(p.tiers) > 1 {
		drawn = p.draw(q)
	}
	t := &p.tiers[drawn]
	if c := t.take(q); c != nil {
		return t, c
	}
	for i := range p.tiers {
		if i == drawn {
			continue
		}
		t := &p.tiers[i]
		if c := t.take(q); c != nil {
			return t, c
		}
	}
	return nil, nil
}

// draw chooses a tier by shares: at random, but always the same for one key
// where the strategy is one that keeps keys together.
func (p *pool) draw(q Query) int {
	bits, ok := uint64(0), false
	if keyed, is := p.tiers[0].picker.(*hashPicker); is {
		bits, ok = keyed.hash(q.Key)
	}
	if !ok {
		bits = p.random()
	}
	for i := range p.tiers {
		if bits <= p.tiers[i].upTo {
			return i
		}
	}
	return len(p.tiers) - 1
}

// take picks in the tier. A pick can lose the last place to another caller,
// and is then made again. That all picks lose is next to impossible; the bound
// only makes it certain that the loop ends.
func (t *tier) take(q Query) *Candidate {
	for range len(t.candidates) + 1 {
		i := t.picker.Pick(q)
		if i < 0 {
			return nil
		}
		if c := t.candidates[i]; c.take() {
			return c
		}
	}
	return nil
}

// preferred takes a place on the server that q prefers, if that can be.
func (p *pool) preferred(q Query) (*tier, *Candidate) {
	known, ok := p.tokens()[q.Prefer]
	if !ok || q.Skip(known.candidate) || !known.candidate.take() {
		return nil, nil
	}
	return known.tier, known.candidate
}

// index makes the pool's tokens. It is put off until a session needs it, which
// in most pools is never.
func (p *pool) index() {
	p.tokens = sync.OnceValue(func() map[uint64]known {
		tokens := make(map[uint64]known, p.usable)
		for i := range p.tiers {
			t := &p.tiers[i]
			for _, c := range t.candidates {
				tokens[c.member.token] = known{t, c}
			}
		}
		return tokens
	})
}

// refusal is why a pick gave nothing.
func (p *pool) refusal(q Query) error {
	for _, t := range p.tiers {
		for _, c := range t.candidates {
			if !slices.Contains(q.Tried, c.server.ID) {
				return ErrNoCapacity
			}
		}
	}
	return ErrAllTried
}
