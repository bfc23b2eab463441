package lb

import (
	"cmp"
	"slices"
)

// First fills one server before it turns to the next: heavier servers come
// first, and among those of one weight the lower ID. It concentrates load on as
// few servers as can carry it, so that the others can be switched off (HAProxy's
// balance first). A server is full at its MaxConnections; without that limit
// the first server gets everything.
func First() Strategy { return first{} }

type first struct{}

func (first) Name() string { return "first" }

func (first) Prepare(r Roster) Picker {
	p := &firstPicker{r.Candidates, make([]int32, len(r.Candidates))}
	for i := range p.order {
		p.order[i] = int32(i)
	}
	slices.SortStableFunc(p.order, func(a, b int32) int { return cmp.Compare(p.pool[b].weight, p.pool[a].weight) })
	return p
}

type firstPicker struct {
	pool  []*Candidate
	order []int32 // positions, the one to fill first at the front
}

func (p *firstPicker) Pick(q Query) int {
	for _, i := range p.order {
		if !q.Skip(p.pool[i]) {
			return int(i)
		}
	}
	return -1
}
