package lb

import "time"

// LeastResponseTime picks the server where a request should be answered
// soonest: its response time, once for the request itself and once more for
// each request per unit of weight that is ahead of it. The response time is a
// mean that jumps to a slow answer at once and decays slowly, and in which a
// failure counts as a slow answer, so that a server which fails fast does not
// look fast (peak EWMA, as in Finagle and linkerd).
//
// What is known of a server fades while it does not answer, until it counts as
// fast as the fastest; so does one that never answered. It gets requests to
// prove itself, but no more at once than its share. Up to 32 servers it looks
// at all of them, beyond that at two.
func LeastResponseTime() Strategy { return leastResponseTime{} }

type leastResponseTime struct{}

func (leastResponseTime) Name() string { return "least_response_time" }

func (leastResponseTime) Prepare(r Roster) Picker {
	return &leastResponseTimePicker{randomPicker{r.Candidates, newAlias(r.Candidates), r.Random}, r.clock}
}

// leastResponseTimePicker begins anywhere, by weight: other than loads, response
// times are hardly ever the same, so that ties need no rotation, whose counter
// would be shared by all who pick.
type leastResponseTimePicker struct {
	randomPicker
	clock clock
}

func (p *leastResponseTimePicker) Pick(q Query) int {
	now := p.clock.ticks()
	if len(p.pool) > scanUpTo {
		return p.better(q, now)
	}
	fastest := 0.0
	for _, c := range p.pool {
		fastest = faster(fastest, c.cost())
	}
	best, shortest := -1, 0.0
	for i, j := 0, p.draw(); i < len(p.pool); i, j = i+1, j+1 {
		if j == len(p.pool) {
			j = 0
		}
		c := p.pool[j]
		if q.Skip(c) {
			continue
		}
		if wait := c.wait(now, fastest); best < 0 || wait < shortest {
			best, shortest = j, wait
		}
	}
	return best
}

// better is the better of two.
func (p *leastResponseTimePicker) better(q Query, now int64) int {
	a, b := p.twoOf(q)
	if b < 0 {
		return a
	}
	fastest := faster(p.pool[a].cost(), p.pool[b].cost())
	if p.pool[b].wait(now, fastest) < p.pool[a].wait(now, fastest) {
		return b
	}
	return a
}

// failureCost is what a failure counts at least as a response time.
const failureCost = time.Second

// cost is the response time to reckon with, in ns, 0 where it is not known.
func (c *Candidate) cost() float64 { return c.member.times.cost.mean() }

// faster is the lower of two costs that are known.
func faster(a, b float64) float64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// wait is how long a request would wait for its answer. What is known fades as
// the average decays, e to the -x, of which this is the beginning of a series.
func (c *Candidate) wait(now int64, fastest float64) float64 {
	x := max(float64(now-c.member.times.cost.stamp.Load())*(1/float64(forgiving)), 0)
	faded := c.cost() / (1 + x*(1+x*(1./2+x/6)))
	return max(faded, fastest, 1) * (1 + c.perWeight())
}
