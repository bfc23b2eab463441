package lb_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Two balancers of one process have the same server probed once for both.
func ExampleWithScheduler() {
	probes := health.NewScheduler(health.Budget{PerSecond: 100}, nil)
	var asked atomic.Int64
	check := &health.Check{Name: "my check", Prober: counter{&asked}, Interval: time.Hour}

	ctx, stop := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { _ = probes.Run(ctx) })
	var told sync.WaitGroup
	told.Add(2)
	for range 2 {
		b := lb.New(nil, lb.WithScheduler(probes), lb.WithHealth(lb.Health{Check: check}),
			lb.WithHooks(lb.Hooks{Probe: func(*lb.Server, health.Result) { told.Done() }}))
		_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:80"})
		runs.Go(func() { _ = b.Run(ctx) })
	}
	told.Wait()
	stop()
	runs.Wait()
	fmt.Println(asked.Load(), "probe made")
	// Output:
	// 1 probe made
}

type counter struct{ n *atomic.Int64 }

func (c counter) Probe(context.Context, health.Target) (string, error) {
	c.n.Add(1)
	return "fine", nil
}

// A server that goes up and down is kept out until it settles.
func ExampleHealth_damping() {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b := lb.New(nil, lb.WithClock(func() time.Time { return now }), lb.WithHealth(lb.Health{
		Damping: health.Damping{Suppress: 3, HalfLife: 10 * time.Minute},
	}))
	declare := func(s health.Status) {
		_ = b.Replace([]lb.Server{
			{ID: "a", Address: "10.0.0.1:80", Declared: health.Declaration{Status: s}},
			{ID: "b", Address: "10.0.0.2:80"},
		})
	}
	declare(health.Passing)
	for range 2 {
		declare(health.Critical)
		declare(health.Passing)
	}
	a, _ := b.ServerStats("a")
	fmt.Println(a.Verdict.State, "-", a.Reason)
	now = now.Add(15 * time.Minute)
	a, _ = b.ServerStats("a")
	fmt.Println(a.Verdict.State, "-", a.Reason)
	// Output:
	// ejected - kept out because it flaps, until 2030-01-01T00:14:09Z
	// up - the catalog says passing
}

// Who has probes that only they believe lets them decide.
func ExampleHealth_policy() {
	b := lb.New(nil, lb.WithHealth(lb.Health{Policy: health.Policy{Algebra: health.MergeProbe}}))
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:80", Declared: health.Declaration{Status: health.Critical, Check: "disk"}})
	_ = b.SetHealthy("a", true) // as a probe would
	a, _ := b.ServerStats("a")
	fmt.Println(a.Verdict.State, "by rule", a.Verdict.Rule, "-", a.Reason)
	// Output:
	// up by rule 16 - the catalog says critical, but the probe passes, which decides (check "disk")
}
