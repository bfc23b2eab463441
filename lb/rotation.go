package lb

import (
	"cmp"
	"container/heap"
	"slices"
)

// rotation hands out a pool's positions in turn, each as often as its weight
// says and as evenly spread as can be: with weights 5, 1, 1 the order is
// a b a a c a a, not a a a a a b c. It is a table of one cycle, so that a turn
// is one addition, exact under any number of callers.
//
// Where each server stands in it is its lag: how many turns it is behind its
// share, or ahead of it where that is negative, always less than one. The lag
// belongs to the server. A new pool, of other members or weights, goes on from
// there: nobody gets a turn twice or loses one because something changed, and
// the rotation never starts again at its first server. New servers begin with
// a random lag, so that a fleet of agents does not march in step.
//
// The order is earliest deadline first among the turns that are due at all
// (Bennett, Zhang, WF²Q: Worst-case Fair Weighted Fair Queueing, 1996; Baruah
// et al., Proportionate Progress, 1996), which keeps every lag below one at
// every moment. gRPC and Envoy keep a heap for it, that every pick has to lock.
type rotation struct {
	pool  []*Candidate
	turns []int64 // each position's in one cycle
	order []int32 // positions in their order, one cycle
	lags  []float64
	turn  *counter
}

// rotating is a picker with a rotation.
type rotating interface{ rotates() *rotation }

func (r *rotation) rotates() *rotation { return r }

// longest bounds a cycle. Weights whose sum, in lowest terms, is larger are
// scaled down to it; the shares are then right to one part in 65536.
const longest = 1 << 16

func newRotation(r Roster) *rotation {
	next := &rotation{pool: r.Candidates, turns: turnsOf(r.Candidates)}
	if last, ok := r.Last.(rotating); ok && alike(last.rotates().pool, next.pool) {
		last := last.rotates()
		next.order, next.lags, next.turn = last.order, last.lags, last.turn
		return next
	}
	next.lags = balancedLags(r.Candidates, next.turns)
	next.order = spread(next.turns, next.lags)
	next.turn = new(counter)
	return next
}

// next is the position whose turn it is.
func (r *rotation) next() int {
	return int(r.order[uint64(r.turn.n.Add(1)-1)%uint64(len(r.order))])
}

// settle notes every server's lag at the present turn.
func (r *rotation) settle() {
	size := uint64(len(r.order))
	turn := uint64(r.turn.n.Load()) % size
	had := make([]int64, len(r.pool))
	for _, i := range r.order[:turn] {
		had[i]++
	}
	for i, c := range r.pool {
		c.member.lag = r.lags[i] + float64(uint64(r.turns[i])*turn)/float64(size) - float64(had[i])
	}
}

// balancedLags are the candidates' lags, brought to a sum of zero: that some
// are behind their share means that others are ahead. What those left owe who
// are gone, or are owed, each takes on by its weight.
func balancedLags(pool []*Candidate, turns []int64) []float64 {
	var sum, size float64
	for i, c := range pool {
		sum += c.member.lag
		size += float64(turns[i])
	}
	lags := make([]float64, len(pool))
	for i, c := range pool {
		lags[i] = max(-1, min(c.member.lag-sum*float64(turns[i])/size, 1))
	}
	return lags
}

// turnsOf is each candidate's number of turns in a cycle: the weights in
// lowest terms, or to the hundredth where they are no whole numbers, as while a
// server starts slowly.
func turnsOf(pool []*Candidate) []int64 {
	scale := 1.0
	for _, c := range pool {
		if c.weight != float64(int64(c.weight)) {
			scale = 100
		}
	}
	weights := make([]int64, len(pool))
	for i, c := range pool {
		weights[i] = max(1, int64(c.weight*scale+0.5))
	}
	return lowestTerms(weights)
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

// spread orders one cycle of turns, beginning with these lags.
func spread(turns []int64, lags []float64) []int32 {
	if slices.Min(turns) == slices.Max(turns) { // everybody once: those furthest behind first
		order := make([]int32, len(turns))
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(lags[b], lags[a]) })
		return order
	}
	var size int64
	for _, n := range turns {
		size += n
	}
	early := schedule{less: func(a, b upcoming) bool { return a.from < b.from }}
	due := schedule{less: func(a, b upcoming) bool { return a.by < b.by || a.by == b.by && a.every < b.every }}
	for i, n := range turns {
		every := float64(size) / float64(n)
		early.all = append(early.all, upcoming{int32(i), -lags[i] * every, (1 - lags[i]) * every, every})
	}
	heap.Init(&early)
	left, order := slices.Clone(turns), make([]int32, 0, size)
	for len(order) < int(size) {
		for len(early.all) > 0 && early.all[0].from <= float64(len(order))+rounding {
			heap.Push(&due, heap.Pop(&early))
		}
		from := &due
		if len(due.all) == 0 {
			from = &early
		}
		next := heap.Pop(from).(upcoming)
		order = append(order, next.who)
		if left[next.who]--; left[next.who] > 0 {
			next.from, next.by = next.by, next.by+next.every
			heap.Push(&early, next)
		}
	}
	return order
}

// rounding is how far a time may be off after some thousand additions.
const rounding = 1e-6

// upcoming is a server's next turn: not before the one time, nor after the
// other. Times are counted in turns of the whole rotation.
type upcoming struct {
	who             int32
	from, by, every float64
}

// schedule is a heap of turns.
type schedule struct {
	all  []upcoming
	less func(a, b upcoming) bool
}

func (s *schedule) Len() int           { return len(s.all) }
func (s *schedule) Less(i, j int) bool { return s.less(s.all[i], s.all[j]) }
func (s *schedule) Swap(i, j int)      { s.all[i], s.all[j] = s.all[j], s.all[i] }
func (s *schedule) Push(x any)         { s.all = append(s.all, x.(upcoming)) }
func (s *schedule) Pop() any {
	last := len(s.all) - 1
	x := s.all[last]
	s.all = s.all[:last]
	return x
}
