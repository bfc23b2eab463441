package lb

import (
	"sync/atomic"
	"time"
)

// WithShadow has a second strategy asked on every selection, but not obeyed:
// what it would have done is counted, so that a change of strategy is a
// decision and not a guess. It sees the load that its own choices would have
// made, and the response times that are real. It must be a value of its own.
func WithShadow(s Strategy) Option { return func(b *Balancer) { b.setShadow(s) } }

// SetShadow changes the shadow strategy and counts anew; nil ends it.
func (b *Balancer) SetShadow(s Strategy) {
	_ = b.change(func() error { b.setShadow(s); return nil })
}

func (b *Balancer) setShadow(s Strategy) {
	b.shadow, b.shadowCount = s, nil
	if s != nil {
		b.shadowCount = new(shadowCount)
	}
	for _, m := range b.members {
		m.shadow = nil
	}
	for _, m := range b.leaving {
		m.shadow = nil
	}
}

// ShadowStats is what a shadow strategy would have done since it was set.
type ShadowStats struct {
	Strategy string // "" when there is none
	Picks    int64  // selections it was asked about
	Agreed   int64  // of those, with the same choice as was made
	Unplaced int64  // of those, with no choice: every server was full by its count
}

// ServerShadow is a server's part of that.
type ServerShadow struct {
	Active   int64         // leases it would have now
	Requests int64         // leases it would have been given
	Busy     time.Duration // the sum of response times that it would have had
}

// shadowCount is the sums over all servers.
type shadowCount struct{ agreed, differed, unplaced counter }

func (n *shadowCount) stats(s Strategy) ShadowStats {
	if s == nil {
		return ShadowStats{}
	}
	agreed, unplaced := n.agreed.n.Load(), n.unplaced.n.Load()
	return ShadowStats{
		Strategy: s.Name(), Agreed: agreed, Unplaced: unplaced,
		Picks: agreed + unplaced + n.differed.n.Load(),
	}
}

// shadowed is what one server would have under the shadow strategy.
type shadowed struct {
	load load
	busy atomic.Int64 // ns
	_    [40]byte
}

func (s *shadowed) stats() ServerShadow {
	if s == nil {
		return ServerShadow{}
	}
	return ServerShadow{Active: s.load.out(), Requests: s.load.requests(), Busy: time.Duration(s.busy.Load())}
}

// shadowTier is a tier as the shadow strategy has it: of the same servers, at
// the same positions, with the load that it would have given them.
type shadowTier struct {
	candidates []*Candidate
	picker     Picker // nil without a shadow strategy
	count      *shadowCount
}

// take asks the shadow strategy for q, where chosen was chosen, and takes the
// place that it would have taken.
func (t *shadowTier) take(q Query, chosen *Candidate) *Candidate {
	i := t.picker.Pick(q)
	if i < 0 || !t.candidates[i].take() {
		t.count.unplaced.n.Add(1)
		return nil
	}
	if t.candidates[i].member == chosen.member {
		t.count.agreed.n.Add(1)
	} else {
		t.count.differed.n.Add(1)
	}
	return t.candidates[i]
}
