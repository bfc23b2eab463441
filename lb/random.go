package lb

import (
	"math/rand/v2"
	"slices"
)

// Random picks at random, in proportion to weight. It shares nothing between
// callers, which makes it the cheapest of all; loads differ more than under
// RoundRobin, by chance alone.
func Random() Strategy { return &random{rand.Uint64} }

type random struct{ source func() uint64 }

func (*random) Name() string { return "random" }

func (s *random) Prepare(pool []*Candidate) Picker {
	p := s.over(pool)
	return &p
}

func (s *random) over(pool []*Candidate) randomPicker {
	weights := make([]int64, len(pool))
	for i, c := range pool {
		weights[i] = c.weight
	}
	p := randomPicker{pool: pool, source: s.source}
	if slices.Min(weights) != slices.Max(weights) {
		p.alias = newAlias(weights)
	}
	return p
}

type randomPicker struct {
	pool   []*Candidate
	alias  []aliasColumn // nil when all weights are equal
	source func() uint64
}

func (p *randomPicker) Pick(q Query) int {
	for range 4 {
		if i := p.draw(); !q.Skip(p.pool[i]) {
			return i
		}
	}
	return scan(p.pool, p.draw(), q)
}

// draw takes the column from the high half of one random number and the coin
// from the low half.
func (p *randomPicker) draw() int {
	r := p.source()
	i := int(r >> 32 * uint64(len(p.pool)) >> 32)
	if p.alias != nil && uint32(r) >= p.alias[i].keep {
		return int(p.alias[i].other)
	}
	return i
}

// aliasColumn is one column of an alias table: with probability keep/2^32 the
// column's own position, else the other. Drawing takes one number, whatever
// the size of the pool (Vose, A Linear Algorithm for Generating Random Numbers
// with a Given Distribution, 1991).
type aliasColumn struct {
	keep  uint32
	other int32
}

func newAlias(weights []int64) []aliasColumn {
	n := len(weights)
	var sum float64
	for _, w := range weights {
		sum += float64(w)
	}
	share := make([]float64, n) // of a column; the mean is 1
	var small, large []int
	for i, w := range weights {
		share[i] = float64(w) * float64(n) / sum
		if share[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	columns := make([]aliasColumn, n)
	for i := range columns {
		columns[i] = aliasColumn{1<<32 - 1, int32(i)}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		columns[s] = aliasColumn{uint32(share[s] * (1<<32 - 1)), int32(l)}
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	return columns
}
