package lb

// PowerOfTwo draws two servers at random, by weight, and picks the one with
// fewer leases per unit of weight. Next to LeastConnections it looks at two
// servers in pools of any size: the price of a pick does not grow with the
// pool, and many agents that see the same loads do not all run to the one idle
// server (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing,
// 1996).
func PowerOfTwo() Strategy { return powerOfTwo("power_of_two") }

type powerOfTwo string

func (s powerOfTwo) Name() string { return string(s) }

func (s powerOfTwo) Prepare(r Roster) Picker {
	return &powerOfTwoPicker{randomPicker{r.Candidates, newAlias(r.Candidates), r.Random}}
}

type powerOfTwoPicker struct{ randomPicker }

func (p *powerOfTwoPicker) Pick(q Query) int {
	a, b := p.randomPicker.Pick(q), p.draw()
	// The same server twice would make one choice of two, and that is half of
	// all picks where there are two servers: then it is the neighbour's chance.
	if a == b {
		b = (b + 1) % len(p.pool)
	}
	if a < 0 || q.Skip(p.pool[b]) || p.pool[a].perWeight() <= p.pool[b].perWeight() {
		return a
	}
	return b
}
