package lb

// scanUpTo is the largest pool that is looked through whole for the least
// loaded server. Beyond it the better of two is taken, whose cost does not
// grow with the pool and whose choice is nearly as good (Mitzenmacher, The
// Power of Two Choices in Randomized Load Balancing, 1996).
const scanUpTo = 32

// least is what strategies share that look for the lowest load. They begin
// with the server whose turn it is, so that ties go around by weight.
type least struct {
	*rotation
	random func() uint64
}

func newLeast(r Roster) least { return least{newRotation(r), r.Random} }

func (l *least) small() bool { return len(l.pool) <= scanUpTo }

// two returns the server whose turn it is and another at random; b is -1 when
// q leaves only one of them, and a too when it leaves none of the pool.
func (l *least) two(q Query) (a, b int) {
	a, b = l.next(), l.any(len(l.pool)-1)
	if b >= a {
		b++
	}
	switch skipA, skipB := q.Skip(l.pool[a]), q.Skip(l.pool[b]); {
	case skipA && skipB:
		return scan(l.pool, l.any(len(l.pool)), q), -1
	case skipA:
		return b, -1
	case skipB:
		return a, -1
	}
	return a, b
}

// any is one of n positions, at random.
func (l *least) any(n int) int { return int(l.random() >> 32 * uint64(n) >> 32) }
