package lb

import "math/rand/v2"

// scanUpTo is the largest pool that is looked through whole for the least
// loaded server. Beyond it the better of two is taken, whose cost does not
// grow with the pool and whose choice is nearly as good (Mitzenmacher, The
// Power of Two Choices in Randomized Load Balancing, 1996).
const scanUpTo = 32

// least finds the candidate of the lowest load.
type least struct {
	pool     []*Candidate
	rotation rotation // where to start, so that ties go around by weight
}

func newLeast(pool []*Candidate, t *turns) least { return least{pool, t.over(pool)} }

func (l *least) large() bool { return len(l.pool) > scanUpTo }

// scan looks through the whole pool.
func (l *least) scan(q Query, load func(*Candidate) float64) int {
	start := l.rotation.next()
	best, lowest := -1, 0.0
	for i := range l.pool {
		j := start + i
		if j >= len(l.pool) {
			j -= len(l.pool)
		}
		c := l.pool[j]
		if q.Skip(c) {
			continue
		}
		if cost := load(c); best < 0 || cost < lowest {
			best, lowest = j, cost
		}
	}
	return best
}

// two returns the server whose turn it is and another at random; b is -1 when
// q leaves only one of them, and a too when it leaves none of the pool.
func (l *least) two(q Query) (a, b int) {
	a = l.rotation.next()
	b = rand.IntN(len(l.pool) - 1)
	if b >= a {
		b++
	}
	switch skipA, skipB := q.Skip(l.pool[a]), q.Skip(l.pool[b]); {
	case skipA && skipB:
		return scan(l.pool, rand.IntN(len(l.pool)), q), -1
	case skipA:
		return b, -1
	case skipB:
		return a, -1
	}
	return a, b
}

// lower is the position, of two, whose load is lower; a wins a tie.
func (l *least) lower(a, b int, load func(*Candidate) float64) int {
	if b >= 0 && load(l.pool[b]) < load(l.pool[a]) {
		return b
	}
	return a
}
