package lb_test

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/outrigger-sidecar/outrigger/lb"
)

func weighted(weights []int) []lb.Server {
	set := make([]lb.Server, len(weights))
	for i, w := range weights {
		set[i] = lb.Server{ID: strconv.Itoa(i), Address: "10.0.0.1:80", Weight: w}
	}
	return set
}

func turn(t rapid.TB, b *lb.Balancer) int {
	lease, err := b.Select("")
	if err != nil {
		t.Fatal(err)
	}
	lease.Release()
	n, _ := strconv.Atoi(lease.Server().ID)
	return n
}

// However often weights change, also between any two turns, nobody is ever two
// turns ahead of what its weights so far come to, or behind. (One turn is the
// rotation's own bound; the other is where it began.)
func TestRotationStaysExactWhileWeightsChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := lb.New(strategy(t, "weighted_round_robin"))
		n := rapid.IntRange(2, 6).Draw(t, "servers")
		due, had := make([]float64, n), make([]float64, n)
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			weights := rapid.SliceOfN(rapid.IntRange(1, 9), n, n).Draw(t, "weights")
			if err := b.Replace(weighted(weights)); err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, w := range weights {
				sum += w
			}
			for range rapid.IntRange(0, 12).Draw(t, "turns") {
				had[turn(t, b)]++
				for i, w := range weights {
					due[i] += float64(w) / float64(sum)
					if off := due[i] - had[i]; math.Abs(off) >= 2 {
						t.Fatalf("server %d had %v turns and is due %v", i, had[i], due[i])
					}
				}
			}
		}
	})
}

// While others come and go with every single request, those who stay go on
// having their share: nobody is favoured for standing first, or for being heavy.
func TestRotationSurvivesMembershipChanges(t *testing.T) {
	weights := []int{5, 1, 1, 3, 2, 2}
	b := lb.New(lb.WeightedRoundRobin())
	had := make([]float64, len(weights))
	due := make([]float64, len(weights))
	for i := range 12000 {
		set := weighted(weights)
		switch i % 3 { // 4 and 5 flap, each in its own time
		case 0:
			set = set[:5]
		case 1:
			set = append(set[:4:4], set[5])
		}
		if err := b.Replace(set); err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, s := range set {
			sum += s.Weight
		}
		had[turn(t, b)]++
		for _, s := range set {
			n, _ := strconv.Atoi(s.ID)
			due[n] += float64(s.Weight) / float64(sum)
		}
	}
	for i := range weights {
		allowed := 0.02
		if i >= 4 { // what one owes when it goes is not all it owes when it is back
			allowed = 0.2
		}
		if off := had[i]/due[i] - 1; math.Abs(off) > allowed {
			t.Errorf("server %d had %v turns, is due %.0f", i, had[i], due[i])
		}
	}
}

// The place in the rotation is kept when only what does not concern it changes,
// and when another strategy has its turn in between.
func TestRotationSurvivesAnotherStrategy(t *testing.T) {
	b := lb.New(lb.RoundRobin())
	if err := b.Replace(weighted([]int{1, 1, 1, 1, 1})); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{turn(t, b): true, turn(t, b): true}
	b.SetStrategy(lb.Random())
	turn(t, b)
	b.SetStrategy(lb.RoundRobin())
	for range 3 {
		seen[turn(t, b)] = true
	}
	if len(seen) != 5 {
		t.Errorf("5 turns of 5 servers, with random in between, reached only %v", seen)
	}
}
