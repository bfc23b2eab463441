package lb_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/lb/probe"
)

func Example() {
	b := lb.New(lb.RoundRobin())
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:8080"})
	_ = b.Add(lb.Server{ID: "b", Address: "10.0.0.2:8080", Weight: 3})

	for range 40 {
		lease, err := b.Select("")
		if err != nil {
			panic(err)
		}
		start := time.Now()
		// … the request to lease.Server().Address goes here …
		lease.Record(time.Since(start))
		lease.Release()
	}
	for _, s := range b.AllStats() {
		fmt.Println(s.Server.ID, s.Requests, s.Active)
	}
	// Output:
	// a 10 0
	// b 30 0
}

func ExampleBalancer_Select() {
	b := lb.New(lb.LeastConnections())
	_ = b.Replace([]lb.Server{{ID: "a", Address: "10.0.0.1:8080"}, {ID: "b", Address: "10.0.0.2:8080"}})

	first, _ := b.Select("")
	second, _ := b.Select("", first.Server().ID) // a retry, elsewhere
	fmt.Println(first.Server().ID != second.Server().ID)

	_, err := b.Select("", first.Server().ID, second.Server().ID)
	fmt.Println(err)
	// Output:
	// true
	// lb: every healthy server was tried
}

func ExampleServer_maxConnections() {
	b := lb.New(nil)
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:8080", MaxConnections: 1})

	lease, _ := b.Select("")
	_, err := b.Select("")
	fmt.Println(errors.Is(err, lb.ErrNoCapacity))
	lease.Release()
	_, err = b.Select("")
	fmt.Println(err)
	// Output:
	// true
	// <nil>
}

func ExampleWithHealth() {
	b := lb.New(lb.Random(), lb.WithHealth(lb.Health{
		Check:          &health.Check{Prober: probe.HTTP{Path: "/health"}, Interval: 2 * time.Second},
		Ejection:       health.Ejection{Failures: 5, Base: 30 * time.Second, Max: 5 * time.Minute, MaxShare: 0.1},
		PanicThreshold: 0.5,
	}))
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:8080"})
	// go b.Run(ctx) makes the checks until ctx ends.

	_ = b.SetHealthy("a", false)
	st, _ := b.ServerStats("a")
	fmt.Println(st.Verdict.State, "by rule", st.Verdict.Rule, "-", st.Reason)
	// Output:
	// down by rule 4 - the agent's own probe fails: marked by hand
}

func ExampleByName() {
	s, err := lb.ByName("least_connections")
	fmt.Println(s.Name(), err)
	_, err = lb.ByName("fastest")
	fmt.Println(err)
	// Output:
	// least_connections <nil>
	// lb: no strategy "fastest"; there are round_robin, weighted_round_robin, least_connections, random, ip_hash, least_response_time, consistent_hash, power_of_two, least_request, first
}
