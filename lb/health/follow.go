package health

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

// Follower is one who wants to know how a target is.
type Follower struct {
	// Report is told of each probe, from one goroutine at a time. Rise and fall
	// are not applied: see Check.Next.
	Report func(Result)
	// Proof says what real requests prove, for Check.TrustTraffic; nil: nothing.
	// It must be quick and take no locks.
	Proof func(within time.Duration) Proof
}

// Proof is what real requests say of a server.
type Proof uint8

const (
	Unknown Proof = iota // zero value: there were none lately
	Proven               // it is up, and has answered one well within the time
	Doubted              // it has to be probed, whatever others who follow it know
)

// following is a Follower at its target.
type following struct {
	Follower
	mu      sync.Mutex // held while Report runs
	stopped bool
}

func (f *following) take(r Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stopped {
		f.Report(r)
	}
}

// series is the probes of one target, for all who follow them.
type series struct {
	key       key
	check     Check
	target    Target
	followers []*following // replaced, never written to
	due       time.Time    // of the next probe
	place     int          // in the scheduler's queue; -1 while a probe is under way
	last      Result       // the last probe that was made
	cancel    context.CancelFunc
}

// key tells which series are one.
type key struct {
	name              string
	interval, timeout time.Duration
	trust             bool
	target            Target
}

// Follow has target probed until stop is called, and f told of it. Who follows
// what others do already is told the last result at once. When stop returns
// Report will not be called any more; it must not be called from there. The
// probes are made while Run runs.
func (s *Scheduler) Follow(c Check, target Target, f Follower) (stop func()) {
	c = c.WithDefaults()
	k := key{c.Name, c.Interval, c.Timeout, c.TrustTraffic, target}
	one := &following{Follower: f}
	s.mu.Lock()
	p, ok := s.shared[k]
	if !ok {
		p = &series{key: k, check: c, target: target}
		if c.Name != "" {
			s.shared[k] = p
		}
		// The first should come soon, but a pool's must not come at one moment.
		p.due = time.Now().Add(s.part(min(c.Interval, time.Second) / 10))
		heap.Push(&s.queue, p)
		s.wanted += rate(c.Interval)
		s.ring(p.place == 0)
	}
	p.followers = append(slices.Clip(p.followers), one)
	last := p.last
	s.mu.Unlock()
	if !last.At.IsZero() && time.Since(last.At) < c.Interval {
		one.take(last)
	}
	return func() { s.leave(p, one) }
}

func (s *Scheduler) leave(p *series, one *following) {
	s.mu.Lock()
	if i := slices.Index(p.followers, one); i >= 0 {
		p.followers = slices.Delete(slices.Clone(p.followers), i, i+1)
		if len(p.followers) == 0 {
			s.end(p)
		}
	}
	s.mu.Unlock()
	one.mu.Lock()
	one.stopped = true
	one.mu.Unlock()
}

// end forgets a series that nobody follows; the caller holds mu.
func (s *Scheduler) end(p *series) {
	s.wanted -= rate(p.check.Interval)
	if s.shared[p.key] == p {
		delete(s.shared, p.key)
	}
	if p.place >= 0 {
		heap.Remove(&s.queue, p.place)
	}
	if p.cancel != nil {
		p.cancel()
	}
}

func rate(interval time.Duration) float64 { return float64(time.Second) / float64(interval) }

// proven tells that real requests make a probe needless.
func (p *series) proven() bool {
	if !p.check.TrustTraffic {
		return false
	}
	some := false
	for _, f := range p.followers {
		if f.Proof == nil {
			continue
		}
		switch f.Proof(p.check.Interval) {
		case Doubted:
			return false
		case Proven:
			some = true
		}
	}
	return some
}

// queue is the series that wait, the one due first in front.
type queue []*series

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push is for package heap.
func (q *queue) Push(x any) {
	p := x.(*series)
	p.place = len(*q)
	*q = append(*q, p)
}

// Pop is for package heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	p.place = -1
	return p
}
