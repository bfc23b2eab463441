package lb

// Random picks at random, in proportion to weight. It shares nothing between
// callers, which makes it the cheapest of all; loads differ more than under
// RoundRobin, by chance alone.
func Random() Strategy { return random{} }

type random struct{}

func (random) Name() string { return "random" }

func (random) Prepare(r Roster) Picker {
	return &randomPicker{r.Candidates, newAlias(r.Candidates), r.Random}
}

type randomPicker struct {
	pool   []*Candidate
	alias  alias
	random func() uint64
}

func (p *randomPicker) Pick(q Query) int {
	for range 4 {
		if i := p.draw(); !q.Skip(p.pool[i]) {
			return i
		}
	}
	return scan(p.pool, p.draw(), q)
}

func (p *randomPicker) draw() int { return p.alias.at(p.random()) }
