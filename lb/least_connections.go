package lb

// LeastConnections picks the server with the fewest leases per unit of
// weight. Ties, among them an idle pool, go around by weight. It adapts to
// servers and requests that differ, as long as a lease lasts as long as the
// work does.
func LeastConnections() Strategy { return &leastConnections{newTurns()} }

type leastConnections struct{ turns *turns }

func (*leastConnections) Name() string { return "least_connections" }

func (s *leastConnections) Prepare(pool []*Candidate) Picker {
	return &leastConnectionsPicker{newLeast(pool, s.turns)}
}

type leastConnectionsPicker struct{ least }

func (p *leastConnectionsPicker) Pick(q Query) int {
	if p.large() {
		a, b := p.two(q)
		return p.lower(a, b, leasesPerWeight)
	}
	return p.scan(q, leasesPerWeight)
}

func leasesPerWeight(c *Candidate) float64 {
	return float64(c.member.active.Load()) / float64(c.weight)
}
