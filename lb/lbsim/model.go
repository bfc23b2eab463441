package main

import (
	"fmt"
	"time"
)

// model is all that is simulated, but the strategy.
type model struct {
	seed        uint64
	requests    int
	warmup      int // of those, that are not measured; below 0: a tenth
	utilisation float64
	arrival     arrival
	keys        keys

	agents    int
	slowStart time.Duration // as agents have it; 0: none
	ejection  bool
	limit     int // on a server's requests for each worker, under first

	servers      int
	workers      int   // of a server of weight 1; one of weight 2 has twice as many
	weights      []int // the servers' in turn, over and over; none: all 1
	service      time.Duration
	distribution distribution

	// special is the position of the server that the scenario is about: it has
	// the trouble, and comes into being at joins. nobody: there is none.
	special int
	trouble trouble
	joins   time.Duration
}

// plain is the model that scenarios start from.
func plain() model {
	exponential, _ := distributionByName("exponential")
	return model{
		seed: 1, requests: 300_000, warmup: -1, utilisation: 0.8,
		keys:   keys{count: 10_000},
		agents: 1, limit: 4,
		servers: 10, workers: 1, service: 10 * time.Millisecond, distribution: exponential,
		special: nobody,
	}
}

const (
	nobody = -1
	last   = -2
)

// position is where the special server stands; below 0 there is none.
func (m model) position() int {
	if m.special == last {
		return m.servers - 1
	}
	return m.special
}

// build makes the servers.
func (m model) build() []*server {
	all := make([]*server, m.servers)
	for i := range all {
		s := &server{id: fmt.Sprintf("s%02d", i+1), weight: 1}
		if len(m.weights) > 0 {
			s.weight = m.weights[i%len(m.weights)]
		}
		s.workers = m.workers * s.weight
		if i == m.position() {
			s.trouble, s.joins = m.trouble, m.joins
		}
		all[i] = s
	}
	return all
}

// rate is how many requests come in a second, on average.
func (m model) rate() float64 {
	capacity := 0.0
	for _, s := range m.build() {
		capacity += s.capacity(m.service)
	}
	return m.utilisation * capacity
}

// check finds what a scenario and the flags together leave nothing to measure
// with.
func (m model) check() error {
	if m.warmup >= m.requests {
		return fmt.Errorf("a -warmup of %d leaves none of the %d requests to measure: lower it or raise -requests", m.warmup, m.requests)
	}
	for _, s := range m.build() {
		if s.joins == 0 && s.capacity(m.service) > 0 {
			return nil
		}
	}
	return fmt.Errorf("none of %d servers serves from the start: raise -servers", m.servers)
}
