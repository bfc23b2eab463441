package lb

import "time"

// LeastResponseTime picks the server where a request should be answered
// soonest: its response time, once for the request itself and once more for
// each request per unit of weight that is ahead of it. The response time is a mean that jumps to a slow answer at once
// and decays slowly, and in which a failure counts as a slow answer, so that a
// server which fails fast does not look fast (peak EWMA, as in Finagle).
//
// A server that has not answered yet, or not for a minute, is taken to be as
// fast as the fastest it is compared with: it gets requests to prove itself,
// but no more at once than its share.
func LeastResponseTime() Strategy { return &leastResponseTime{newTurns()} }

type leastResponseTime struct{ turns *turns }

func (*leastResponseTime) Name() string { return "least_response_time" }

func (s *leastResponseTime) Prepare(pool []*Candidate) Picker {
	return &leastResponseTimePicker{newLeast(pool, s.turns)}
}

type leastResponseTimePicker struct{ least }

func (p *leastResponseTimePicker) Pick(q Query) int {
	now := ticks()
	if p.large() {
		a, b := p.two(q)
		if b < 0 {
			return a
		}
		w := wait{now, min(p.pool[a].expected(now), p.pool[b].expected(now))}
		if w.fastest == 0 { // one is unknown: as fast as the other
			w.fastest = max(p.pool[a].expected(now), p.pool[b].expected(now))
		}
		return p.lower(a, b, w.at)
	}
	w := wait{now: now}
	for _, c := range p.pool {
		if t := c.expected(now); t > 0 && (w.fastest == 0 || t < w.fastest) {
			w.fastest = t
		}
	}
	return p.scan(q, w.at)
}

// wait is the load to compare by: how long a request would wait.
type wait struct {
	now     int64
	fastest time.Duration // what those are taken for of whom nothing is known
}

func (w *wait) at(c *Candidate) float64 {
	t := c.expected(w.now)
	if t == 0 {
		t = max(w.fastest, 1)
	}
	return float64(t) * (1 + float64(c.member.active.Load())/float64(c.weight))
}

// forget is when a mean has become history: nothing came back for so long that
// it says nothing of the next answer.
const forget = time.Minute

// failureCost is what a failure counts at least as a response time.
const failureCost = time.Second

// expected is the response time to expect, or 0 where it is not known.
func (c *Candidate) expected(now int64) time.Duration {
	if now-c.member.cost.stamp.Load() > int64(forget) {
		return 0
	}
	return c.member.cost.load()
}
