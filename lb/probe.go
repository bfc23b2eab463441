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
	type prober struct {
		check  *health.Check
		target health.Target
		stop   context.CancelFunc
	}
	running := make(map[*member]prober)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() {
		for _, p := range running {
			p.stop()
		}
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		check, wanted := b.wanted()
		for m, p := range running {
			if w, ok := wanted[m]; !ok || p.check != check || p.target != w.target {
				p.stop()
				delete(running, m)
			}
		}
		for m, w := range wanted {
			if _, ok := running[m]; ok {
				continue
			}
			probing, stop := context.WithCancel(ctx)
			running[m] = prober{check, w.target, stop}
			wg.Go(func() {
				check.Run(probing, w.target, w.status, func(r health.Result) { b.probed(probing, m, r) })
			})
		}
		if at := b.pool.Load().revisit; at != 0 {
			timer.Reset(time.Duration(at - ticks()))
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

// wanted is whom to probe, and how; nobody when there is no check.
func (b *Balancer) wanted() (*health.Check, map[*member]start) {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted := make(map[*member]start)
	if b.health.Check == nil {
		return nil, wanted
	}
	for _, m := range b.members {
		wanted[m] = start{health.Target{Address: m.spec.Address, Path: m.spec.HealthPath}, m.probe.Status}
	}
	return b.health.Check, wanted
}

// start is where the probing of a member starts from.
type start struct {
	target health.Target
	status health.ProbeStatus
}

// probed takes in the result of one probe. Only a result that changes
// something rebuilds the pool.
func (b *Balancer) probed(ctx context.Context, m *member, r health.Result) {
	b.mu.Lock()
	check := b.health.Check
	if ctx.Err() == nil && check != nil { // else the probe was stopped while it waited for the lock
		changed := m.probe.Status != r.Status
		m.probe, m.probed = r, time.Now()
		if m.verdict.State == health.Ejected {
			m.regain++
			if !r.Good {
				m.regain = 0
			}
			if m.regain >= check.Rise {
				m.outlier.until, m.outlier.ended = time.Time{}, time.Now()
				m.streak.Store(0)
				changed = true
			}
		}
		if b.hooks.Probe != nil {
			server := m.spec
			b.events = append(b.events, func() { b.hooks.Probe(server, r) })
		}
		if changed {
			b.rebuild()
		}
	}
	b.mu.Unlock()
	b.tell()
}
