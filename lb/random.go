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

// twoOf draws two different candidates that q does not skip. b is -1 where it
// leaves only one of those drawn, and a too where it leaves none of the pool.
func (p *randomPicker) twoOf(q Query) (a, b int) {
	a, b = p.alias.two(p.random)
	// The same server twice would make one choice of two, and that is half of
	// all picks where there are two servers: then it is the neighbour's chance.
	if a == b {
		b = (b + 1) % len(p.pool)
	}
	switch skipA, skipB := q.Skip(p.pool[a]), q.Skip(p.pool[b]); {
	case skipA && skipB:
		return p.Pick(q), -1
	case skipA:
		return b, -1
	case skipB || a == b:
		return a, -1
	}
	return a, b
}
