package lb

import (
	"slices"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Candidate is a server as strategies see it.
type Candidate struct {
	server *Server
	member *member
	load   *load     // the server's own, or what it would be under the shadow strategy
	weight float64   // above 0
	unit   float64   // 1 / weight
	limit  int64     // leases at once; 0: none
	shade  *shadowed // where this is the server as the shadow strategy sees it; else nil
	total  *counter  // leases of all candidates, where the strategy wants it counted; else nil
	state  health.State
}

// Server is the server itself; it must not be changed.
func (c *Candidate) Server() *Server { return c.server }

// Weight is the weight in force: the server's own, or less of it while the
// server warns or starts slowly. It is above 0.
func (c *Candidate) Weight() float64 { return c.weight }

// Active is the number of leases not yet released.
func (c *Candidate) Active() int { return int(c.load.out()) }

// ResponseTime is the smoothed response time, 0 before the first answer.
func (c *Candidate) ResponseTime() time.Duration { return c.member.times.smoothed.load() }

// perWeight is the number of leases out per unit of weight.
func (c *Candidate) perWeight() float64 { return float64(c.load.out()) * c.unit }

func (c *Candidate) take() bool {
	if !c.load.take(c.limit) {
		return false
	}
	if c.total != nil {
		c.total.n.Add(1)
	}
	return true
}

func (c *Candidate) giveBack() {
	c.load.giveBack()
	if c.total != nil {
		c.total.n.Add(-1)
	}
}

// alike tells that two pools are of the same servers with the same weights, so
// that what was computed for the one holds for the other.
func alike(a, b []*Candidate) bool {
	return slices.EqualFunc(a, b, func(x, y *Candidate) bool { return x.member == y.member && x.weight == y.weight })
}
