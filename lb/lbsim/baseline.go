package main

import (
	"slices"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// The baselines choose with a knowledge that no balancer has: of what all
// agents together have under way at every server.
const (
	jsq      = "jsq"       // join the shortest queue, in time: knows every server's speed and trouble too
	jsqBlind = "jsq_blind" // join the shortest queue, in requests
)

// strategies are all that can be compared: the baselines and lb's own.
func strategies() []string {
	names := append([]string{jsq, jsqBlind}, lb.Names()...)
	after := slices.Index(names, "consistent_hash") + 1
	return slices.Insert(names, after, bounded)
}

func newChooser(name string, s *simulation) (chooser, error) {
	switch name {
	case jsq:
		return &omniscient{simulation: s, cost: func(server *server) float64 {
			return float64(server.expect(s.now, s.service))
		}, knowing: true}, nil
	case jsqBlind:
		return &omniscient{simulation: s, cost: func(server *server) float64 {
			return float64(server.active) / float64(server.workers)
		}}, nil
	}
	return newAgents(name, s)
}

// omniscient chooses the server of the lowest cost.
type omniscient struct {
	*simulation
	cost    func(*server) float64
	knowing bool // which servers fail
	turn    int  // ties go around
}

func (o *omniscient) choose(*request) (best *server) {
	o.turn++
	lowest := 0.0
	for i := range o.all {
		s := o.all[(o.turn+i)%len(o.all)]
		if !s.present || o.knowing && s.trouble.is(failing, o.now) {
			continue
		}
		if cost := o.cost(s); best == nil || cost < lowest {
			best, lowest = s, cost
		}
	}
	return best
}

func (o *omniscient) answered(*request, time.Duration) {}

func (o *omniscient) joined(*server) error { return nil }
