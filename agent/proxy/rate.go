package proxy

import (
	"sync/atomic"
	"time"
)

// RateLimit bounds the requests of an upstream by a token bucket: as many as
// Burst at once, and PerSecond in the long run.
type RateLimit struct {
	PerSecond float64 // more than 0
	Burst     int     // 1 or more
}

// rate is the bucket. All that it holds is when it will be full again, as in
// the generic cell rate algorithm, so that taking a token needs no lock.
type rate struct {
	cost  time.Duration // that a token takes to come back
	depth time.Duration // that a full bucket does
	full  atomic.Int64  // when it is full, by the clock
}

func newRate(r *RateLimit) *rate {
	if r == nil {
		return nil
	}
	cost := max(time.Duration(float64(time.Second)/r.PerSecond), 1)
	return &rate{cost: cost, depth: cost * time.Duration(r.Burst)}
}

// take takes a token, or tells how long it is until there is one.
func (r *rate) take(now time.Duration) (wait time.Duration, ok bool) {
	for {
		full := r.full.Load()
		next := max(time.Duration(full), now) + r.cost
		if over := next - now - r.depth; over > 0 {
			return over, false
		}
		if r.full.CompareAndSwap(full, int64(next)) {
			return 0, true
		}
	}
}
