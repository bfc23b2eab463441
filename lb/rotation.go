package lb

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// rotation hands out a pool's positions in turn, each as often as its weight
// says and as evenly spread as can be: with weights 5, 1, 1 the order is
// a b a a a c a, not a a a a a b c. The place in it belongs to the strategy,
// so a new pool goes on where the old one stood instead of starting again at
// the first server, and it begins at random, so that a fleet of agents that
// start together does not march in step.
type rotation struct {
	turn  *atomic.Uint64
	order []int32 // positions in their order; nil when all weights are equal
	size  uint64
}

// turns is a strategy's place in its rotations.
type turns struct{ atomic.Uint64 }

func newTurns() *turns {
	t := new(turns)
	t.Store(rand.Uint64())
	return t
}

// longest bounds an order. Weights whose sum, in lowest terms, is larger are
// scaled down to it; the shares are then right to one part in 65536.
const longest = 1 << 16

func (t *turns) over(pool []*Candidate) rotation {
	weights := make([]int64, len(pool))
	for i, c := range pool {
		weights[i] = c.weight
	}
	r := rotation{turn: &t.Uint64, size: uint64(len(pool))}
	if slices.Min(weights) != slices.Max(weights) {
		r.order = spread(weights)
		r.size = uint64(len(r.order))
	}
	return r
}

// next is the position whose turn it is. 2^64 is no multiple of most sizes, so
// one step in 2^64 is uneven.
func (r *rotation) next() int {
	i := r.turn.Add(1) % r.size
	if r.order == nil {
		return int(i)
	}
	return int(r.order[i])
}

// spread orders positions by the moments at which each is due if it comes at
// even intervals, w times in one cycle. This is earliest deadline first (as in
// gRPC's and Envoy's weighted round robin), but computed once instead of kept
// as a heap that every pick would have to lock. Servers of one weight begin at
// even distances from each other, or else the light ones, all due at the same
// moment, would leave a burst to the heavy one.
func spread(weights []int64) []int32 {
	weights = lowestTerms(weights)
	alike, seen := make(map[int64]float64), make(map[int64]float64)
	for _, w := range weights {
		alike[w]++
	}
	type turn struct {
		due float64
		who int32
	}
	var all []turn
	for i, w := range weights {
		phase := (seen[w] + 0.5) / alike[w]
		seen[w]++
		for k := range w {
			all = append(all, turn{(float64(k) + phase) / float64(w), int32(i)})
		}
	}
	slices.SortFunc(all, func(a, b turn) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(weights[b.who], weights[a.who]), cmp.Compare(a.who, b.who))
	})
	order := make([]int32, len(all))
	for i, t := range all {
		order[i] = t.who
	}
	return order
}

// lowestTerms divides weights by what they have in common, and scales them
// down to a sum that fits longest (or to one each, where there are more).
func lowestTerms(weights []int64) []int64 {
	var divisor, sum int64
	for _, w := range weights {
		divisor = gcd(w, divisor)
		sum += w
	}
	sum /= divisor
	out := make([]int64, len(weights))
	for i, w := range weights {
		out[i] = w / divisor
		if sum > longest {
			out[i] = max(1, out[i]*longest/sum)
		}
	}
	return out
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
