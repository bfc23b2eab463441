package main

import (
	"fmt"
	"io"
	"time"
)

// scenario is a model with a name and a reason.
type scenario struct {
	name  string
	about string // one sentence, without its full stop
	set   func(*model)
}

func (s scenario) model() model {
	m := plain()
	s.set(&m)
	return m
}

// scenarios are all there are, the default first.
func scenarios() []scenario {
	const always = 0
	return []scenario{
		{"one_slow", "one of ten servers is ten times slower than the others, and nobody says so", func(m *model) {
			m.special, m.trouble = 0, trouble{kind: slow, factor: 10, lasts: always}
		}},
		{"equal", "ten equal servers, the case that round robin is made for", func(*model) {}},
		{"one_failing", "one of ten servers fails every request within 1 ms, which looks fast and idle", func(m *model) {
			m.special, m.trouble = 0, trouble{kind: failing, lasts: always}
		}},
		{"one_stalls", "one of ten servers stops for 1 s in every 20 s, as in a long collection of garbage", func(m *model) {
			m.special, m.trouble = 0, trouble{kind: stalled, from: 10 * time.Second, lasts: time.Second, every: 20 * time.Second}
		}},
		{"turns_slow", "one of ten servers is five times slower for 20 s in every 60 s, then well again", func(m *model) {
			m.special, m.trouble = 0, trouble{kind: slow, factor: 5, from: 20 * time.Second, lasts: 20 * time.Second, every: time.Minute}
		}},
		{"bursts", "requests come in bursts of three times their mean rate, for 200 ms at a time", func(m *model) {
			m.arrival, m.utilisation = bursts, 0.4
		}},
		{"heavy_tail", "service times are lognormal: most requests are short, a few are very long", func(m *model) {
			m.distribution, _ = distributionByName("lognormal")
		}},
		{"bimodal", "one request of twenty takes twenty times as long as the others", func(m *model) {
			m.distribution, _ = distributionByName("bimodal")
		}},
		{"fleet", "ten agents send to the same ten servers, and none sees what the others send", func(m *model) {
			m.agents = 10
		}},
		{"fleet_slow", "ten agents, and one of ten servers is ten times slower", func(m *model) {
			m.agents, m.special, m.trouble = 10, 0, trouble{kind: slow, factor: 10, lasts: always}
		}},
		{"weights", "servers of 1, 2 and 4 workers, with weights that say so", func(m *model) {
			m.weights = []int{1, 2, 4}
		}},
		{"joins", "one of ten servers joins late, at 20 s, and is 2.5 times slower for 10 s until it is warm; no slow start", func(m *model) {
			joinsCold(m)
		}},
		{"joins_gently", "the same with a slow start of 20 s", func(m *model) {
			joinsCold(m)
			m.slowStart = 20 * time.Second
		}},
		{"hot_key", "client keys follow Zipf's law, so that one of 10,000 makes a tenth of the requests", func(m *model) {
			m.keys.exponent, m.utilisation = 1, 0.5
		}},
	}
}

// joinsCold has the last server join, and measures from then on.
func joinsCold(m *model) {
	m.special, m.joins = last, 20*time.Second
	m.trouble = trouble{kind: slow, factor: 2.5, from: m.joins, lasts: 10 * time.Second}
	m.requests, m.warmup = 100_000, 16_000
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

func listScenarios(w io.Writer) {
	for _, s := range scenarios() {
		fmt.Fprintf(w, "  %-13s %s\n", s.name, s.about)
	}
}
