package lb

// RoundRobin gives each server its turn, as often as its weight says. It is
// exact under any number of callers: over one cycle every server gets its
// share, no more and no less. It does not see load: choose it for servers
// alike and requests alike.
func RoundRobin() Strategy { return &roundRobin{"round_robin", newTurns()} }

// WeightedRoundRobin is RoundRobin under the name that those look for who set
// weights. Both are smooth: a heavy server's turns are spread over the cycle,
// never sent in a burst.
func WeightedRoundRobin() Strategy { return &roundRobin{"weighted_round_robin", newTurns()} }

type roundRobin struct {
	name  string
	turns *turns
}

func (s *roundRobin) Name() string { return s.name }

func (s *roundRobin) Prepare(pool []*Candidate) Picker {
	return &roundRobinPicker{pool, s.turns.over(pool)}
}

type roundRobinPicker struct {
	pool     []*Candidate
	rotation rotation
}

func (p *roundRobinPicker) Pick(q Query) int {
	i := p.rotation.next()
	if !q.Skip(p.pool[i]) {
		return i
	}
	// Another turn rather than the neighbour: else whoever stands after a
	// full server would get two shares.
	for range 3 {
		if i = p.rotation.next(); !q.Skip(p.pool[i]) {
			return i
		}
	}
	return scan(p.pool, i, q)
}
