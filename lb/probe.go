package lb

import (
	"context"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Run makes the periodic probes, and ends ejections on time where no traffic
// does it. It returns when ctx ends, after all its probes have. Only one Run
// may be under way for a Balancer.
func (b *Balancer) Run(ctx context.Context) error {
	type running struct {
		probing
		stop context.CancelFunc
	}
	b.running.Store(true)
	defer b.running.Store(false)
	all := make(map[probingKey]running)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() {
		for _, r := range all {
			r.stop()
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wanted := b.wanted()
		for key, r := range all {
			if w, ok := wanted[key]; !ok || r.check != w.check || r.target != w.target {
				r.stop()
				delete(all, key)
			}
		}
		for key, w := range wanted {
			if _, ok := all[key]; ok {
				continue
			}
			probing, stop := context.WithCancel(ctx)
			all[key] = running{w, stop}
			wg.Go(func() {
				w.check.Run(probing, w.target, w.status, func(r health.Result) {
					if key.reach {
						b.reached(probing, key.member, r)
					} else {
						b.probed(probing, key.member, r)
					}
				})
			})
		}
		if at := b.pool.Load().revisit; at != 0 {
			timer.Reset(time.Duration(at - b.clock.ticks()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.recheck:
		case <-timer.C:
			_ = b.change(func() error { return nil })
		}
	}
}

// probing is one server's series of probes: what to probe, how, and what is
// known at the start.
type probing struct {
	check  *health.Check
	target health.Target
	status health.ProbeStatus
}

type probingKey struct {
	member *member
	reach  bool // it is Health.Reach, not Health.Check
}

// wanted is all the probing there should be.
func (b *Balancer) wanted() map[probingKey]probing {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted := make(map[probingKey]probing)
	for _, m := range b.members {
		target := health.Target{Address: m.spec.Address, Path: m.spec.HealthPath}
		if b.health.Check != nil {
			wanted[probingKey{m, false}] = probing{b.health.Check, target, m.probe.Status}
		}
		if b.health.Reach != nil && m.ejected() && m.outlier.unreachable {
			wanted[probingKey{m, true}] = probing{b.health.Reach, target, health.Unproven}
		}
	}
	return wanted
}

// probed takes in the result of one probe. Only a result that changes
// something rebuilds the pool.
func (b *Balancer) probed(ctx context.Context, m *member, r health.Result) {
	b.observe(ctx, func() (changed bool) {
		check := b.health.Check
		if check == nil {
			return false
		}
		changed = m.probe.Status != r.Status
		m.probe, m.probed = r, b.clock.now()
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

// reached takes in whether an ejected server can be reached again.
func (b *Balancer) reached(ctx context.Context, m *member, r health.Result) {
	b.observe(ctx, func() (changed bool) {
		if !r.Good || !m.ejected() {
			return false
		}
		m.readmit(b.clock.now())
		return true
	})
}

// observe runs f under the lock, unless the probing was stopped while it
// waited for that, and rebuilds the pool if f changed something.
func (b *Balancer) observe(ctx context.Context, f func() (changed bool)) {
	b.mu.Lock()
	if ctx.Err() == nil && f() {
		b.rebuild()
	}
	b.mu.Unlock()
	b.queue.placeFreed(b)
	b.tell()
}
