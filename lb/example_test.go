package lb_test

import (
	"context"
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
		Check:    &health.Check{Prober: probe.HTTP{Path: "/health"}, Interval: 2 * time.Second},
		Ejection: health.Ejection{Failures: 5, Base: 30 * time.Second, Max: 5 * time.Minute, MaxShare: 0.1},
		Policy:   health.Policy{PanicThreshold: 0.5},
	}))
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:8080"})
	// go b.Run(ctx) makes the checks until ctx ends.

	_ = b.SetHealthy("a", false)
	st, _ := b.ServerStats("a")
	fmt.Println(st.Verdict.State, "by rule", st.Verdict.Rule, "-", st.Reason)
	// Output:
	// down by rule 4 - the agent's own probe fails: marked by hand
}

// nearest picks the server with the lowest "distance" in its metadata, among
// those that are not full and were not tried.
type nearest struct{}

func (nearest) Name() string { return "nearest" }

func (nearest) Prepare(r lb.Roster) lb.Picker { return nearestPicker(r.Candidates) }

type nearestPicker []*lb.Candidate

func (p nearestPicker) Pick(q lb.Query) int {
	best := -1
	for i, c := range p {
		if q.Skip(c) {
			continue
		}
		if best < 0 || c.Server().Metadata["distance"] < p[best].Server().Metadata["distance"] {
			best = i
		}
	}
	return best
}

func ExampleStrategy() {
	b := lb.New(nearest{})
	_ = b.Replace([]lb.Server{
		{ID: "far", Address: "10.0.0.1:80", Metadata: map[string]string{"distance": "3"}},
		{ID: "near", Address: "10.0.0.2:80", Metadata: map[string]string{"distance": "1"}, MaxConnections: 1},
	})
	one, _ := b.Select("")
	two, _ := b.Select("") // near is full now
	fmt.Println(one.Server().ID, two.Server().ID)
	// Output:
	// near far
}

func ExampleConsistentHash() {
	b := lb.New(lb.ConsistentHash(lb.BoundedLoad(1.25)))
	for _, id := range []string{"a", "b", "c", "d"} {
		_ = b.Add(lb.Server{ID: id, Address: id + ".internal:80"})
	}
	home := func(key string) string {
		lease, _ := b.Select(key)
		defer lease.Release()
		return lease.Server().ID
	}
	before := home("cart-1")
	for _, id := range []string{"a", "b", "c", "d"} {
		if id != before {
			_ = b.Remove(id) // another server leaves: the key stays
			break
		}
	}
	fmt.Println(home("cart-1") == before)
	// Output:
	// true
}

func ExampleIPHash() {
	b := lb.New(lb.IPHash())
	_ = b.Replace([]lb.Server{{ID: "a", Address: "10.0.0.1:80"}, {ID: "b", Address: "10.0.0.2:80"}})
	one, _ := b.Select("192.0.2.7:51234")
	two, _ := b.Select("::ffff:192.0.2.7") // the same address, written otherwise
	fmt.Println(one.Server().ID == two.Server().ID)
	// Output:
	// true
}

func ExampleBalancer_Acquire() {
	b := lb.New(nil, lb.WithQueue(lb.Queue{Length: 100, Timeout: time.Second}))
	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:80", MaxConnections: 1})

	first, _ := b.Acquire(context.Background(), lb.Query{})
	go first.Release() // some time later
	second, err := b.Acquire(context.Background(), lb.Query{})
	fmt.Println(second.Server().ID, err)

	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the client has gone
	_, err = b.Acquire(ctx, lb.Query{})
	fmt.Println(err)
	// Output:
	// a <nil>
	// context canceled
}

// A session comes back to the server that it has been at.
func ExampleLease_Token() {
	b := lb.New(lb.RoundRobin())
	_ = b.Replace([]lb.Server{{ID: "a", Address: "10.0.0.1:80"}, {ID: "b", Address: "10.0.0.2:80"}})
	lease, _ := b.Select("")
	home, token := lease.Server().ID, lease.Token() // into a cookie
	lease.Release()
	for range 3 {
		lease, _ := b.Acquire(context.Background(), lb.Query{Prefer: token})
		fmt.Println(lease.Server().ID == home)
		lease.Release()
	}
	// Output:
	// true
	// true
	// true
}

// The servers of the own zone get everything, as long as they can carry it.
func ExampleWithPlacement() {
	b := lb.New(nil, lb.WithPlacement(lb.Placement{
		Zone:      "east",
		SlowStart: lb.SlowStart{Window: 30 * time.Second},
	}))
	_ = b.Replace([]lb.Server{
		{ID: "e1", Address: "10.1.0.1:80", Zone: "east"},
		{ID: "e2", Address: "10.1.0.2:80", Zone: "east"},
		{ID: "w1", Address: "10.2.0.1:80", Zone: "west"},
		{ID: "backup", Address: "10.9.0.1:80", Priority: 1},
	})
	show := func() {
		for _, s := range b.AllStats() {
			fmt.Printf("%s: tier %d, %.0f%%\n", s.Server.ID, s.Place.Tier, 100*s.Place.Share)
		}
	}
	show()
	_ = b.SetHealthy("e2", false)
	show()
	// Output:
	// backup: tier 3, 0%
	// e1: tier 1, 50%
	// e2: tier 1, 50%
	// w1: tier 2, 0%
	// backup: tier 3, 0%
	// e1: tier 1, 70%
	// e2: tier 0, 0%
	// w1: tier 2, 30%
}

// Of very many servers each client uses some, and all clients together all of
// them evenly.
func ExampleSubset() {
	used := make(map[string]int)
	for client := range 50 {
		b := lb.New(nil, lb.WithPlacement(lb.Placement{Subset: lb.Subset{Size: 4, Client: fmt.Sprint(client)}}))
		for i := range 20 {
			_ = b.Add(lb.Server{ID: fmt.Sprint("s", i), Address: fmt.Sprintf("10.0.0.%d:80", i)})
		}
		for _, s := range b.AllStats() {
			if s.Usable() {
				used[s.Server.ID]++
			}
		}
	}
	fewest, most := 50, 0
	for _, clients := range used {
		fewest, most = min(fewest, clients), max(most, clients)
	}
	fmt.Println(len(used), "servers are used, each by", fewest, "to", most, "clients")
	// Output:
	// 20 servers are used, each by 9 to 11 clients
}

// What would change if requests went by consistent hash?
func ExampleWithShadow() {
	b := lb.New(lb.RoundRobin(), lb.WithShadow(lb.ConsistentHash()))
	_ = b.Replace([]lb.Server{{ID: "a", Address: "10.0.0.1:80"}, {ID: "b", Address: "10.0.0.2:80"}})
	for range 100 {
		lease, _ := b.Select("the same key") // round robin decides
		lease.Release()
	}
	for _, s := range b.AllStats() {
		fmt.Println(s.Requests, s.Shadow.Requests%100)
	}
	fmt.Println(b.Stats().Shadow.Strategy, b.Stats().Shadow.Agreed)
	// Output:
	// 50 0
	// 50 0
	// consistent_hash 50
}

func ExampleBalancer_SetDraining() {
	b := lb.New(nil)
	_ = b.Replace([]lb.Server{{ID: "a", Address: "10.0.0.1:80"}, {ID: "b", Address: "10.0.0.2:80"}})
	_ = b.SetDraining("a", true)
	lease, _ := b.Select("")
	a, _ := b.ServerStats("a")
	fmt.Println(lease.Server().ID, a.Verdict.State, "-", a.Reason)
	// Output:
	// b draining - drained by hand
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
