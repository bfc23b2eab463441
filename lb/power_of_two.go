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
	a, b := p.twoOf(q)
	if b >= 0 && p.pool[b].perWeight() < p.pool[a].perWeight() {
		return b
	}
	return a
}
