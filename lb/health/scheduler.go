package health

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Budget bounds what probes may cost. Zero fields mean the defaults.
type Budget struct {
	PerSecond float64 // probes begun in a second, one at a time and evenly spaced; 0: 1000
	AtOnce    int     // probes under way at one moment; 0: 256
}

func (b Budget) withDefaults() Budget {
	if !(b.PerSecond > 0) {
		b.PerSecond = 1000
	}
	if b.AtOnce <= 0 {
		b.AtOnce = 256
	}
	return b
}

// Scheduler makes probes, for all balancers of a process if they share it. It
// probes a target once for all who ask the same of it, and keeps to a Budget:
// where that is too small every interval grows by the same time, since whoever
// has been due for longest is always next, and SchedulerStats tells. All
// methods may be called from any goroutine. Create it with NewScheduler.
type Scheduler struct {
	random func() uint64
	wake   chan struct{} // tells Run that what it waits for may have changed

	mu       sync.Mutex
	budget   Budget
	queue    queue
	shared   map[key]*series // those of checks with a name
	slot     time.Time       // when the next probe may begin
	underWay int
	wanted   float64
	late     float64 // ns, smoothed over some 100 probes
	made     int64
	skipped  int64
}

// SchedulerStats is what a Scheduler does at one moment.
type SchedulerStats struct {
	Targets  int     // that are followed, each with a check of its own
	Wanted   float64 // probes a second that their intervals ask for
	Budget   Budget
	UnderWay int
	Late     time.Duration // how late probes begin, smoothed: what a budget that is too small adds to each interval
	Made     int64
	Skipped  int64 // since requests had proved the same
}

// NewScheduler makes a scheduler that starts nothing: probes are made by Run.
// All its chance comes from random, called by one goroutine at a time; nil
// means that of math/rand/v2.
func NewScheduler(b Budget, random func() uint64) *Scheduler {
	if random == nil {
		random = rand.Uint64
	}
	return &Scheduler{random: random, wake: make(chan struct{}, 1), budget: b.withDefaults(), shared: make(map[key]*series)}
}

// SetBudget changes the budget.
func (s *Scheduler) SetBudget(b Budget) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budget = b.withDefaults()
	s.ring(true)
}

// Stats tells how probing goes.
func (s *Scheduler) Stats() SchedulerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SchedulerStats{
		Targets: len(s.queue) + s.underWay, Wanted: s.wanted, Budget: s.budget, UnderWay: s.underWay,
		Late: time.Duration(s.late), Made: s.made, Skipped: s.skipped,
	}
}

// Run makes probes until ctx ends, and returns after all of them have. Only one
// Run may be under way for a Scheduler.
func (s *Scheduler) Run(ctx context.Context) error {
	var probes sync.WaitGroup
	defer probes.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		next, late, wait := s.next(time.Now())
		if next != nil {
			probes.Go(func() { s.probe(ctx, next, late) })
			continue
		}
		if wait > 0 {
			timer.Reset(wait)
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
	return nil
}

// slack is how far probes may catch up with what timers were late by.
const slack = 20 * time.Millisecond

// next takes the series out of the queue whose time has come, and says how late
// that is. Where there is none it says how long to wait; 0 for a wake.
func (s *Scheduler) next(now time.Time) (p *series, late, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 || s.underWay >= s.budget.AtOnce {
		return nil, 0, 0
	}
	first := s.queue[0]
	if wait := first.due.Sub(now); wait > 0 {
		return nil, 0, wait
	}
	if first.proven() {
		s.skipped++
		late = -1
	} else {
		begin := latest(first.due, s.slot, now.Add(-slack))
		if wait := begin.Sub(now); wait > 0 {
			return nil, 0, wait
		}
		s.slot = begin.Add(time.Duration(float64(time.Second) / s.budget.PerSecond))
		s.made++
		late = now.Sub(first.due)
		s.late += (float64(late) - s.late) / 100
	}
	heap.Pop(&s.queue)
	s.underWay++
	return first, late, 0
}

func latest(t time.Time, others ...time.Time) time.Time {
	for _, o := range others {
		if o.After(t) {
			t = o
		}
	}
	return t
}

// probe makes one probe, late by so much, and tells all who follow it. A late
// below 0 says that the probe is needless.
func (s *Scheduler) probe(ctx context.Context, p *series, late time.Duration) {
	r := Result{Good: true, Skipped: true, Output: "not probed: requests were answered well", At: time.Now()}
	if late >= 0 {
		probing, cancel := context.WithTimeout(ctx, p.check.Timeout)
		defer cancel()
		s.mu.Lock()
		if p.cancel = cancel; len(p.followers) == 0 {
			cancel()
		}
		s.mu.Unlock()
		r = p.check.once(probing, p.target)
		r.Late = late
	}
	s.mu.Lock()
	if r.Output == p.last.Output {
		r.Output = p.last.Output // one copy of what is always the same
	}
	first, followers := p.last.At.IsZero(), p.followers
	p.cancel = nil
	switch {
	case ctx.Err() != nil: // a probe cut short says nothing about the server
		followers = nil
	case !r.Skipped:
		p.last = r
	}
	s.mu.Unlock()
	for _, f := range followers {
		f.take(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	pause := p.check.Interval - p.check.Interval/10 + s.part(p.check.Interval/5)
	if first { // from here on those that came at one moment are spread
		pause = s.part(p.check.Interval)
	}
	s.underWay--
	if len(p.followers) > 0 {
		p.due = time.Now().Add(pause)
		heap.Push(&s.queue, p)
	}
	s.ring(p.place == 0 || s.underWay == s.budget.AtOnce-1)
}

// part is a random part of d.
func (s *Scheduler) part(d time.Duration) time.Duration {
	return time.Duration(s.random() % uint64(d+1))
}

// ring wakes Run, if it must be.
func (s *Scheduler) ring(must bool) {
	if !must {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
