package lb_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// A registry's answer becomes the servers in one step.
func ExampleBalancer_Replace() {
	b := lb.New(nil)
	_ = b.Replace([]lb.Server{{ID: "a", Address: "10.0.0.1:80"}, {ID: "b", Address: "10.0.0.2:80"}})
	lease, _ := b.Select("", "b")
	err := b.Replace([]lb.Server{{ID: "b", Address: "10.0.0.2:80"}, {ID: "c", Address: "10.0.0.3:80"}})
	fmt.Println(err)
	for _, s := range b.AllStats() { // those that left come last, as long as they are remembered
		fmt.Println(s.Server.ID, s.Verdict.State, s.Active)
	}
	lease.Release() // leases stay good
	fmt.Println(b.Replace([]lb.Server{{ID: "d"}}))
	// Output:
	// <nil>
	// b up 0
	// c up 0
	// a draining 1
	// lb: server "d" has no address
}

func ExampleBalancer_SetStrategy() {
	b := balance(lb.RoundRobin(), 1, 1)
	busy, _ := b.Select("")
	b.SetStrategy(lb.LeastConnections()) // sees the lease that is out already
	for range 2 {
		lease, _ := b.Select("")
		fmt.Println(lease.Server() != busy.Server())
		lease.Release()
	}
	// Output:
	// true
	// true
}

func ExampleBalancer_Stats() {
	b := balance(lb.RoundRobin(), 1, 1, 1)
	_ = b.SetHealthy("c", false)
	lease, _ := b.Select("")
	lease.Fail(errors.New("connection reset"))
	s := b.Stats()
	fmt.Println(s.Servers, "servers,", s.Healthy, "healthy,", s.Active, "lease out,", s.Failures, "failed")
	// Output:
	// 3 servers, 2 healthy, 1 lease out, 1 failed
}

// Failures in a row take a server out for a while.
func ExampleLease_Fail() {
	b := lb.New(lb.First(), lb.WithHealth(lb.Health{
		Ejection: health.Ejection{Failures: 2, Base: time.Minute, Max: time.Hour, MaxShare: 0.5},
	}))
	_ = b.Replace([]lb.Server{{ID: "a", Address: "10.0.0.1:80"}, {ID: "b", Address: "10.0.0.2:80"}})
	for range 3 {
		lease, _ := b.Select("")
		fmt.Println(lease.Server().ID)
		lease.Fail(errors.New("reset"))
		lease.Release()
	}
	a, _ := b.ServerStats("a")
	fmt.Println(a.Reason)
	// Output:
	// a
	// a
	// b
	// ejected after failed requests: 2 failures in a row, the last: reset
}

// Run makes the probes, until its context ends.
func ExampleBalancer_Run() {
	changed := make(chan string)
	b := lb.New(nil,
		lb.WithHealth(lb.Health{Check: &health.Check{Prober: broken{}, Interval: 10 * time.Millisecond, Fall: 1}}),
		lb.WithHooks(lb.Hooks{Change: func(c lb.Change) {
			if c.To.State == health.Down {
				changed <- c.Server.ID + " is down: " + c.Reason
			}
		}}))
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:80"})
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- b.Run(ctx) }()
	fmt.Println(<-changed)
	stop()
	fmt.Println(<-ran)
	// Output:
	// a is down: the agent's own probe fails: no answer
	// <nil>
}

type broken struct{}

func (broken) Probe(context.Context, health.Target) (string, error) {
	return "", errors.New("no answer")
}

// Virtual time and seeded chance make a simulation of it, as lbsim is one.
func ExampleWithClock() {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	b := lb.New(lb.RoundRobin(), lb.WithClock(func() time.Time { return now }), seed(7),
		lb.WithPlacement(lb.Placement{SlowStart: lb.SlowStart{Window: time.Minute}}))
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:80"})
	now = now.Add(time.Hour)
	_ = b.Add(lb.Server{ID: "b", Address: "10.0.0.2:80"})
	for range 3 {
		st, _ := b.ServerStats("b")
		fmt.Printf("%.0f%% of its weight\n", 100*st.Place.Part)
		now = now.Add(30 * time.Second)
	}
	// Output:
	// 10% of its weight
	// 50% of its weight
	// 100% of its weight
}

// Why is a server out, and what would bring it back?
func ExampleBalancer_Explain() {
	b := lb.New(nil, lb.WithHealth(lb.Health{Check: &health.Check{Prober: broken{}, Rise: 2}}))
	_ = b.Replace([]lb.Server{
		{ID: "a", Address: "10.0.0.1:80", Declared: health.Declaration{Status: health.Critical, Check: "disk"}},
		{ID: "b", Address: "10.0.0.2:80", Declared: health.Declaration{Status: health.Passing, WarningWeight: 1}},
	})
	_ = b.SetHealthy("a", false)
	_ = b.SetHealthy("b", true)
	for _, e := range b.Explain() {
		fmt.Println(e.Server.ID, "is", e.Verdict.State, "-", e.Reason)
		for _, change := range e.WouldChange {
			fmt.Println("  it would be", change)
		}
	}
	// Output:
	// a is down - the agent's own probe fails: marked by hand
	//   it would be up when its probe passes 2 times in a row and the catalog says passing
	// b is up - the catalog says passing
	//   it would be down when its probe fails 3 times in a row
	//   it would be down when the catalog says critical
}
