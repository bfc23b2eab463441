package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// must simulates m, changed by change.
func must(t *testing.T, m model, strategy string, change func(*model)) result {
	t.Helper()
	if change != nil {
		change(&m)
	}
	if m.warmup < 0 {
		m.warmup = m.requests / 10
	}
	r, err := simulate(m, strategy)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// named is a scenario's model.
func named(t *testing.T, name string) model {
	t.Helper()
	found, err := scenariosByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return found[0].model()
}

// near fails where got is further from want than a part of it.
func near(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if math.Abs(got-want) > part*want {
		t.Errorf("%s: %.4g, want %.4g within %.1f%%", what, got, want, 100*part)
	}
}

// TestOneServer holds one server with one worker to the formulas for it.
func TestOneServer(t *testing.T) {
	const load = 0.7
	service := plain().service.Seconds()
	const mix = 1 - long + long*longer
	for name, variation := range map[string]float64{ // of service times: variance over the mean squared
		"constant":    0,
		"exponential": 1,
		"bimodal":     (1-long+long*longer*longer)/(mix*mix) - 1,
	} {
		r := must(t, plain(), "round_robin", func(m *model) {
			m.servers, m.utilisation, m.requests = 1, load, 200_000
			m.distribution, _ = distributionByName(name)
		})
		mean := service * (1 + load*(1+variation)/(2*(1-load))) // Pollaczek and Khinchine
		near(t, name+": mean response time", r.took.mean.Seconds(), mean, 0.04)
		near(t, name+": utilisation", r.servers[0].utilisation, load, 0.02)
		near(t, name+": throughput", r.throughput, load/service, 0.02)
		if name == "exponential" { // response times are exponential too
			near(t, name+": p50", r.took.p50.Seconds(), mean*math.Log(2), 0.04)
			near(t, name+": p99", r.took.p99.Seconds(), mean*math.Log(100), 0.08)
		}
	}
}

// TestManyWorkers holds one server with several workers to Erlang's formula.
func TestManyWorkers(t *testing.T) {
	for _, c := range []int{2, 5} {
		const load = 0.8
		service, offered := plain().service.Seconds(), load*float64(c)
		term, sum := 1.0, 0.0
		for k := range c {
			sum += term
			term *= offered / float64(k+1)
		}
		wait := term / (1 - load) / (sum + term/(1-load)) // the part that has to
		r := must(t, plain(), "round_robin", func(m *model) {
			m.servers, m.workers, m.utilisation, m.requests = 1, c, load, 200_000
		})
		near(t, "mean response time", r.took.mean.Seconds(), service*(1+wait/(float64(c)*(1-load))), 0.05)
		near(t, "utilisation", r.servers[0].utilisation, load, 0.02)
	}
}

// TestRandomSplits has requests spread at random over servers, each of which is
// then a queue by itself.
func TestRandomSplits(t *testing.T) {
	r := must(t, named(t, "equal"), "random", func(m *model) { m.requests = 200_000 })
	near(t, "mean response time", r.took.mean.Seconds(), plain().service.Seconds()/(1-0.8), 0.05)
}

func TestNobodyIsForgotten(t *testing.T) {
	for _, s := range scenarios() {
		for _, strategy := range strategies() {
			m := s.model()
			m.requests, m.warmup = 2000, 200
			sim, err := newSimulation(m, strategy)
			if err != nil {
				t.Fatal(err)
			}
			if err := sim.run(); err != nil {
				t.Fatal(err)
			}
			if got := len(sim.tally.answers) + len(sim.tally.failures); got != m.requests-m.warmup {
				t.Errorf("%s, %s: %d answers to %d requests", s.name, strategy, got, m.requests-m.warmup)
			}
			for _, server := range sim.all {
				if server.active != 0 || server.serving != 0 {
					t.Errorf("%s, %s: at the end %s has %d requests, %d served", s.name, strategy, server.id, server.active, server.serving)
				}
			}
			a, ok := sim.chooser.(*agents)
			if !ok {
				continue
			}
			for _, b := range a.balancers {
				if active := b.Stats().Active; active != 0 {
					t.Errorf("%s, %s: at the end %d leases are out", s.name, strategy, active)
				}
			}
		}
	}
}

func TestSameSeedSameOutput(t *testing.T) {
	output := func(more ...string) string {
		svg := filepath.Join(t.TempDir(), "chart.svg")
		args := append([]string{"-requests", "1000", "-warmup", "100", "-svg", svg}, more...)
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr); status != 0 {
			t.Fatalf("status %d: %s", status, stderr.String())
		}
		drawn, err := os.ReadFile(svg)
		if err != nil {
			t.Fatal(err)
		}
		return stdout.String() + string(drawn)
	}
	for _, more := range [][]string{{"-scenario", "all"}, {"-json"}, {"-scenario", "one_failing", "-ejection", "-agents", "3"}} {
		if first, second := output(more...), output(more...); first != second {
			t.Errorf("%v: the same flags print something else", more)
		}
	}
	if output() == output("-seed", "2") {
		t.Error("another seed prints the same")
	}
}

// TestSameRequests has every strategy meet the same requests: where there is
// one server all must come to the same.
func TestSameRequests(t *testing.T) {
	one := func(m *model) { m.servers, m.requests, m.agents = 1, 5000, 3 }
	want := must(t, plain(), jsq, one)
	for _, strategy := range strategies() {
		if strategy == "first" { // has a limit
			continue
		}
		if got := must(t, plain(), strategy, one); got.took != want.took {
			t.Errorf("%s: %v, and jsq %v", strategy, got.took, want.took)
		}
	}
}

func TestAgentsShareNothing(t *testing.T) {
	m := named(t, "fleet")
	m.requests, m.warmup = 20_000, 0
	sim, err := newSimulation(m, "least_connections")
	if err != nil {
		t.Fatal(err)
	}
	if err := sim.run(); err != nil {
		t.Fatal(err)
	}
	balancers := sim.chooser.(*agents).balancers
	if len(balancers) != 10 {
		t.Fatalf("%d balancers", len(balancers))
	}
	sum := int64(0)
	for _, b := range balancers {
		sum += b.Stats().Requests
		near(t, "an agent's requests", float64(b.Stats().Requests), 2000, 0.1)
	}
	if sum != 20_000 {
		t.Errorf("balancers gave %d leases for 20000 requests", sum)
	}
}

func TestAgenda(t *testing.T) {
	var a agenda
	chance := plain().chance(0)
	for range 1000 {
		a.plan(event{at: time.Duration(chance.IntN(100))})
	}
	var before event
	for i := range 1000 {
		e := a.pop()
		if i > 0 && !before.before(&e) {
			t.Fatalf("%v, number %d after %v, number %d", e.at, e.number, before.at, before.number)
		}
		before = e
	}
	if a.next() != never {
		t.Error("something is left")
	}
}

func BenchmarkSimulate(b *testing.B) {
	m := plain()
	m.requests, m.warmup = 10_000, 1000
	for _, strategy := range []string{jsq, "round_robin", "least_response_time"} {
		b.Run(strategy, func(b *testing.B) {
			for b.Loop() {
				if _, err := simulate(m, strategy); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
