package lb

import (
	"slices"
	"time"
)

// pool is what selections work with. It never changes; its candidates point
// to the members' counters, which do.
type pool struct {
	candidates []*Candidate
	picker     Picker // nil when there is no candidate
	err        error  // why there is none
	known      int    // servers in the balancer, usable or not
	panic      bool   // the candidates are more than those that are up
	revisit    int64  // ticks when an ejection ends; 0 when none is on
}

// Select chooses a server for a client key ("" for none) and reserves a place
// on it. Servers whose IDs are in tried are left out, for a retry elsewhere.
// The errors are ErrNoServers, ErrNoHealthy, ErrNoCapacity and ErrAllTried.
// The caller must release the lease.
func (b *Balancer) Select(key string, tried ...string) (Lease, error) {
	p := b.current()
	if p.picker == nil {
		return Lease{}, p.err
	}
	q := Query{Key: key, tried: tried}
	// A pick can lose the last place to another caller, and is then made
	// again. That all picks lose is next to impossible; the bound only makes
	// it certain that the loop ends.
	for range len(p.candidates) + 1 {
		i := p.picker.Pick(q)
		if i < 0 {
			break
		}
		c := p.candidates[i]
		if c.member.reserve(c.limit) {
			c.member.requests.Add(1)
			return Lease{balancer: b, candidate: c}, nil
		}
	}
	for _, c := range p.candidates {
		if !slices.Contains(tried, c.server.ID) {
			return Lease{}, ErrNoCapacity
		}
	}
	return Lease{}, ErrAllTried
}

// current returns the pool in force, after ending the ejections that are due.
// Where another goroutine holds the lock, the old pool serves once more.
func (b *Balancer) current() *pool {
	p := b.pool.Load()
	if p.revisit == 0 || ticks() < p.revisit || !b.mu.TryLock() {
		return p
	}
	b.rebuild()
	b.mu.Unlock()
	b.tell()
	return b.pool.Load()
}

// nextReturn is when the first ejection ends, in ticks.
func nextReturn(members []*member) int64 {
	var first time.Time
	for _, m := range members {
		if until := m.outlier.until; !until.IsZero() && (first.IsZero() || until.Before(first)) {
			first = until
		}
	}
	if first.IsZero() {
		return 0
	}
	return ticks() + int64(time.Until(first))
}
