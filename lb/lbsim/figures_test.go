package main

import "testing"

// The figures for which the strategies are kept.

// TestLeastResponseTimeIsNearlyOmniscient: with one server ten times slower,
// of which it is told nothing, least_response_time is at p99 within 15% of the
// shortest queue with full knowledge.
func TestLeastResponseTimeIsNearlyOmniscient(t *testing.T) {
	for seed := range uint64(3) {
		p99 := make(map[string]float64)
		for _, strategy := range []string{jsq, jsqBlind, "least_response_time", "least_connections", "power_of_two", "round_robin"} {
			r := must(t, named(t, "one_slow"), strategy, func(m *model) { m.seed, m.requests = seed, 60_000 })
			p99[strategy] = milliseconds(r.took.p99)
			t.Logf("seed %d: p99 %8.1f ms, slow server's share of picks %5.2f%%: %s", seed, p99[strategy], 100*specialOf(t, r).picked, strategy)
		}
		if ratio := p99["least_response_time"] / p99[jsq]; ratio > 1.15 {
			t.Errorf("seed %d: p99 is %.2f times that of jsq, want 1.15 at most", seed, ratio)
		}
		if p99["least_response_time"] > p99["round_robin"]/10 {
			t.Errorf("seed %d: no better than round_robin", seed)
		}
	}
}

// TestLeastResponseTimeShunsFailures: a server that fails at once is no fast
// server. It gets its fair share at most.
func TestLeastResponseTimeShunsFailures(t *testing.T) {
	for seed := range uint64(3) {
		for _, agents := range []int{1, 10} {
			r := must(t, named(t, "one_failing"), "least_response_time", func(m *model) { m.seed, m.agents, m.requests = seed, agents, 30_000 })
			s := specialOf(t, r)
			t.Logf("seed %d, %d agents: the failing server gets %.2f%% of the picks", seed, agents, 100*s.picked)
			if s.picked > s.due {
				t.Errorf("seed %d, %d agents: the failing server gets %.1f%%, and %.1f%% are due", seed, agents, 100*s.picked, 100*s.due)
			}
		}
	}
}
