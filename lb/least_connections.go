package lb

// LeastConnections picks the server with the fewest leases per unit of
// weight. Ties, among them an idle pool, go around by weight. It adapts to
// servers and requests that differ, as long as a lease lasts as long as the
// work does. Up to 32 servers it looks at all of them, beyond that at two.
func LeastConnections() Strategy { return leastConnections{} }

type leastConnections struct{}

func (leastConnections) Name() string { return "least_connections" }

func (leastConnections) Prepare(r Roster) Picker { return &leastConnectionsPicker{newLeast(r)} }

type leastConnectionsPicker struct{ least }

func (p *leastConnectionsPicker) Pick(q Query) int {
	if !p.small() {
		a, b := p.two(q)
		if b >= 0 && p.pool[b].perWeight() < p.pool[a].perWeight() {
			return b
		}
		return a
	}
	best, lowest := -1, 0.0
	for i, j := 0, p.next(); i < len(p.pool); i, j = i+1, j+1 {
		if j == len(p.pool) {
			j = 0
		}
		c := p.pool[j]
		if q.Skip(c) {
			continue
		}
		out := c.perWeight()
		if out == 0 { // no other can have less
			return j
		}
		if best < 0 || out < lowest {
			best, lowest = j, out
		}
	}
	return best
}
