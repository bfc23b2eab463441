package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// agents choose with a balancer each, and share nothing.
type agents struct {
	balancers []*lb.Balancer
	servers   map[string]*server
	limit     int // on a server's requests for each worker; 0: none
}

// bounded is consistent_hash with the bound on load that its documentation
// calls usual.
const bounded = "consistent_hash_bounded"

// start is the time at which simulations start. It is far ahead because a
// balancer counts its time from the start of the process, never backwards.
func start() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }

func newAgents(name string, s *simulation) (*agents, error) {
	a := &agents{servers: make(map[string]*server)}
	for _, server := range s.all {
		a.servers[server.id] = server
	}
	if name == "first" { // which would never leave its first server
		a.limit = s.limit
	}
	begin := start()
	now := func() time.Time { return begin.Add(s.now) }
	for i := range s.agents {
		strategy, err := strategyByName(name)
		if err != nil {
			return nil, err
		}
		options := []lb.Option{
			lb.WithClock(now),
			lb.WithRandom(s.chance(streamBalancers + i).Uint64),
			lb.WithPlacement(lb.Placement{SlowStart: lb.SlowStart{Window: s.slowStart}}),
		}
		if s.ejection {
			options = append(options, lb.WithHealth(lb.Health{
				Ejection: health.Ejection{Failures: 5, Base: 30 * time.Second, Max: 5 * time.Minute, MaxShare: 0.1},
				Policy:   health.Policy{PanicThreshold: 0.5},
			}))
		}
		a.balancers = append(a.balancers, lb.New(strategy, options...))
	}
	return a, nil
}

func strategyByName(name string) (lb.Strategy, error) {
	if name == bounded {
		return lb.ByName("consistent_hash", lb.BoundedLoad(1.25))
	}
	return lb.ByName(name)
}

func (a *agents) choose(r *request) *server {
	var err error
	if r.lease, err = a.balancers[r.agent].Select(r.key); err != nil {
		return nil
	}
	return a.servers[r.lease.Server().ID]
}

// errUnavailable is what a failing server answers.
var errUnavailable = errors.New("503 Service Unavailable")

func (a *agents) answered(r *request, now time.Duration) {
	if r.failed {
		r.lease.Fail(errUnavailable)
	} else {
		r.lease.Record(now - r.arrived)
	}
	r.lease.Release()
}

func (a *agents) joined(s *server) error {
	for _, b := range a.balancers {
		// One by one, in order: Replace would draw chance in the order of a map.
		err := b.Add(lb.Server{ID: s.id, Address: fmt.Sprintf("%s:80", s.id), Weight: s.weight, MaxConnections: a.limit * s.workers})
		if err != nil {
			return err
		}
	}
	return nil
}
