package lb

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// WithScheduler has Run leave the probes to s, which other balancers may share
// and which its owner runs. Without one, a balancer's probes have a budget to
// themselves, the default of health.Budget.
func WithScheduler(s *health.Scheduler) Option { return func(b *Balancer) { b.scheduler = s } }

// Run has the periodic probes made, and ends what lasts a time, such as an
// ejection, where no traffic does it. It returns when ctx ends, after all its
// probes have. Only one Run may be under way for a Balancer.
func (b *Balancer) Run(ctx context.Context) error {
	b.running.Store(true)
	defer b.running.Store(false)
	probes := rounds{scheduler: b.scheduler, all: make(map[probingKey]*probing)}
	if probes.scheduler == nil {
		probes.scheduler = health.NewScheduler(health.Budget{}, nil)
		ran := make(chan struct{})
		defer func() { <-ran }()
		go func() {
			defer close(ran)
			_ = probes.scheduler.Run(ctx)
		}()
	}
	defer probes.stop()
	probes.follow(b)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var rested time.Time
	for ctx.Err() == nil {
		wait := b.settles(rested)
		if wait <= 0 {
			start := time.Now()
			_ = b.change(func() error { return nil })
			rested = time.Now().Add(rest * time.Since(start))
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-b.recheck:
			probes.follow(b)
		case <-b.settle:
		case <-timer.C:
		}
	}
	return nil
}

// rest is how long, in times of what making a pool has taken, probes must not
// cause the next: when ten thousand servers are probed for the first time, one
// pool takes in the results of many.
const rest = 10

// settles is in what time Run has to make the pool anew: when time alone
// demands it, and because of probes when the last time has rested.
func (b *Balancer) settles(rested time.Time) time.Duration {
	wait := time.Duration(math.MaxInt64)
	if at := b.pool.Load().revisit; at != 0 {
		wait = time.Duration(at - b.clock.ticks())
	}
	if b.unsettled.Load() {
		wait = min(wait, time.Until(rested))
	}
	return wait
}

// probed takes in the result of one probe.
func (b *Balancer) probed(m *member, r health.Result) {
	b.observe(func() (changed bool) {
		check := b.health.Check
		if check == nil {
			return false
		}
		r = check.Next(m.probe, r)
		changed = m.probe.Status != r.Status
		m.probe, m.probed = r, b.clock.now()
		m.setSound()
		if r.Skipped {
			m.skipped++
			return changed
		}
		m.history.Add(r)
		if m.ejected() && b.health.Policy.Algebra != health.MergeCatalog {
			m.regain++
			if !r.Good {
				m.regain = 0
			}
			if m.regain >= check.Rise {
				m.readmit(b.clock.now())
				changed = true
			}
		}
		if b.hooks.Probe != nil {
			server := m.spec
			b.events = append(b.events, func() { b.hooks.Probe(server, r) })
		}
		return changed
	})
}

// reached takes in whether a server can be reached that failed or is ejected.
func (b *Balancer) reached(m *member, r health.Result) {
	b.observe(func() (changed bool) {
		switch {
		case m.ejected() && m.outlier.unreachable && r.Good:
			m.readmit(b.clock.now())
			return true
		case m.ejected():
			return false
		case !r.Good && m.times.streak.Load() > 0:
			return b.takeOut(m, fmt.Errorf("%w: %s", ErrUnreachable, r.Output))
		case m.times.streak.Load() == 0: // it does its work again
			m.suspected.Store(false)
			b.look()
		}
		return false
	})
}

// observe runs f under the lock. If that changed something Run makes the pool
// anew.
func (b *Balancer) observe(f func() (changed bool)) {
	b.mu.Lock()
	changed := f()
	if changed {
		b.unsettled.Store(true)
	}
	b.mu.Unlock()
	if changed {
		nudge(b.settle)
	}
	b.tell()
}

// proof is what real requests say of m. It takes no lock.
func (b *Balancer) proof(m *member, within time.Duration) health.Proof {
	t := &m.times
	switch {
	case !m.sound.Load() || t.streak.Load() > 0:
		return health.Doubted
	case t.smoothed.load() == 0 || b.clock.ticks()-t.smoothed.stamp.Load() > int64(within):
		return health.Unknown
	}
	return health.Proven
}
