package lb

// LeastConnections picks the server with the fewest leases per unit of
// weight. Ties, among them an idle pool, go around by weight. It adapts to
// servers and requests that differ, as long as a lease lasts as long as the
// work does. Up to 32 servers it looks at all of them, beyond that at two.
func LeastConnections() Strategy { return leastConnections{} }

type leastConnections struct{}

func (leastConnections) Name() string { return "least_connections" }

func (leastConnections) Prepare(r Roster) Picker {
	return &leastConnectionsPicker{newRotation(r), r.Random}
}

// scanUpTo is the largest pool that is looked through whole for the least
// loaded server. Beyond it the better of two is taken, whose cost does not
// grow with the pool and whose choice is nearly as good (Mitzenmacher, The
// Power of Two Choices in Randomized Load Balancing, 1996).
const scanUpTo = 32

// leastConnectionsPicker begins with the server whose turn it is, so that ties
// go around by weight.
type leastConnectionsPicker struct {
	*rotation
	random func() uint64
}

func (p *leastConnectionsPicker) Pick(q Query) int {
	if len(p.pool) > scanUpTo {
		return p.better(q)
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

// better is the better of the server whose turn it is and another at random.
func (p *leastConnectionsPicker) better(q Query) int {
	a, b := p.next(), p.any(len(p.pool)-1)
	if b >= a {
		b++
	}
	switch skipA, skipB := q.Skip(p.pool[a]), q.Skip(p.pool[b]); {
	case skipA && skipB:
		return scan(p.pool, p.any(len(p.pool)), q)
	case skipA:
		return b
	case !skipB && p.pool[b].perWeight() < p.pool[a].perWeight():
		return b
	}
	return a
}

// any is one of n positions, at random.
func (p *leastConnectionsPicker) any(n int) int { return int(p.random() >> 32 * uint64(n) >> 32) }
