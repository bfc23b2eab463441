package lb_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// seed makes the chance in an example repeat.
func seed(n uint64) lb.Option { return lb.WithRandom(rand.New(rand.NewPCG(n, 0)).Uint64) }

// balance makes a balancer over servers named a, b and so on, of these weights.
func balance(s lb.Strategy, weights ...int) *lb.Balancer {
	b := lb.New(s, seed(1))
	for i, w := range weights {
		id := string(rune('a' + i))
		_ = b.Add(lb.Server{ID: id, Address: id + ".internal:80", Weight: w})
	}
	return b
}

// requests makes n requests, one after the other, and prints how many each
// server got.
func requests(b *lb.Balancer, n int) {
	for range n {
		lease, _ := b.Select("")
		lease.Record(time.Millisecond)
		lease.Release()
	}
	for _, s := range b.AllStats() {
		fmt.Print(s.Server.ID, " ", s.Requests, "\n")
	}
}

func ExampleRoundRobin() {
	requests(balance(lb.RoundRobin(), 1, 1, 1), 9)
	// Output:
	// a 3
	// b 3
	// c 3
}

func ExampleWeightedRoundRobin() {
	b := balance(lb.WeightedRoundRobin(), 5, 1, 1)
	requests(b, 70)
	run, longest, last := 0, 0, ""
	for range 70 { // never all of the heavy one's turns at once
		lease, _ := b.Select("")
		if run++; lease.Server().ID != last {
			run, last = 1, lease.Server().ID
		}
		longest = max(longest, run)
		lease.Release()
	}
	fmt.Println("longest run:", longest)
	// Output:
	// a 50
	// b 10
	// c 10
	// longest run: 3
}

func ExampleLeastConnections() {
	b := balance(lb.LeastConnections(), 1, 1)
	slow, _ := b.Select("") // goes on for long
	for range 3 {
		lease, _ := b.Select("")
		fmt.Println(lease.Server() != slow.Server())
		lease.Release()
	}
	// Output:
	// true
	// true
	// true
}

func ExampleLeastResponseTime() {
	b := balance(lb.LeastResponseTime(), 1, 1)
	takes := map[string]time.Duration{"a": 5 * time.Millisecond, "b": 500 * time.Millisecond}
	for range 100 {
		lease, _ := b.Select("")
		lease.Record(takes[lease.Server().ID])
		lease.Release()
	}
	slow, _ := b.ServerStats("b")
	fmt.Println("the slow one got", slow.Requests)
	// Output:
	// the slow one got 1
}

func ExampleRandom() {
	requests(balance(lb.Random(), 1, 3), 4000)
	// Output:
	// a 988
	// b 3012
}

func ExamplePowerOfTwo() {
	b := balance(lb.PowerOfTwo(), 1, 1)
	for range 10 { // never given back, so that loads have to even out
		_, _ = b.Select("")
	}
	for _, s := range b.AllStats() {
		fmt.Println(s.Server.ID, s.Active)
	}
	// Output:
	// a 5
	// b 5
}

func ExampleLeastRequest() {
	fmt.Println(lb.LeastRequest().Name(), "is power_of_two by the name that Envoy gives it")
	// Output:
	// least_request is power_of_two by the name that Envoy gives it
}

func ExampleFirst() {
	b := lb.New(lb.First())
	_ = b.Replace([]lb.Server{
		{ID: "a", Address: "a.internal:80", MaxConnections: 2},
		{ID: "b", Address: "b.internal:80", MaxConnections: 2},
		{ID: "c", Address: "c.internal:80", MaxConnections: 2},
	})
	for range 3 {
		_, _ = b.Select("")
	}
	for _, s := range b.AllStats() {
		fmt.Println(s.Server.ID, s.Active)
	}
	// Output:
	// a 2
	// b 1
	// c 0
}
