package lb

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
)

// ring maps hashes to positions. Every server has points on a circle, given by
// its ID alone; a key is hashed to probes places on it, and goes to the server
// of the point that any of them is closest in front of (Appleton, O'Reilly,
// Multi-probe consistent hashing, 2015).
//
// A Maglev table is one look-up instead of some twenty, but it moves more keys
// than it must: when one of 100 servers leaves, half as many again at Maglev's
// usual size of 65537, and six times as many when it is one of 1000; a table
// large enough takes as long to fill as all other work of an agent. A ring with
// one probe moves no key without need either, but takes 2500 points a server
// to be as even as this one is with 64: no share exceeds its due by more than
// one part in probes, or by what chance adds to that where servers are few.
//
// A change of some servers takes their points out and others in, by one pass
// over all, and leaves the rest where they are.
type ring struct {
	owned  []share  // by position
	points []uint64 // sorted, counted from zero on; the last is the largest number there is
	owners []int32  // positions of the points' servers
	first  []uint32 // for each value of a point's high bits, the first point from there on
	shift  uint     // what remains of a point are its high bits
	zero   uint64   // where on the circle counting begins: behind the last point, so that none wraps around
}

// share is the points of one server.
type share struct {
	id    string
	token uint64 // which they follow from
	n     int
}

type point struct {
	at    uint64
	owner int32
}

const (
	probes = 21
	// pointsPerWeight is how many points a server has for each unit of weight.
	pointsPerWeight = 64
	// heavy is the weight from which units are coarser than 1, so that points
	// stay few: a server has 64 to 512 of them if it is the heaviest.
	heavy = 8
)

// newRing makes the ring of a pool out of the last one; nil where there is
// none.
func newRing(pool []*Candidate, last *ring) *ring {
	if last == nil {
		last = new(ring)
	}
	r := &ring{owned: sharesOf(pool), zero: last.zero}
	moved, fresh := last.compare(r)
	slices.SortFunc(fresh, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	most := len(last.points) + len(fresh)
	r.points, r.owners = make([]uint64, 0, most), make([]int32, 0, most)
	for i, at := range last.points {
		owner := moved[last.owners[i]]
		if owner < 0 {
			continue
		}
		for len(fresh) > 0 && fresh[0].at < at {
			r.add(fresh[0])
			fresh = fresh[1:]
		}
		r.add(point{at, owner})
	}
	for _, p := range fresh {
		r.add(p)
	}
	r.turn()
	r.index()
	return r
}

// sharesOf says how many points each candidate has.
func sharesOf(pool []*Candidate) []share {
	heaviest, unit := 0.0, 1.0
	for _, c := range pool {
		heaviest = max(heaviest, c.weight)
	}
	for heaviest > heavy*unit {
		unit *= 2
	}
	owned := make([]share, len(pool))
	for i, c := range pool {
		owned[i] = share{c.server.ID, c.member.token, max(1, int(c.weight/unit*pointsPerWeight+0.5))}
	}
	return owned
}

// compare finds the new position of each server that keeps its points, -1 for
// one that does not, and the points of all others of next.
func (r *ring) compare(next *ring) (moved []int32, fresh []point) {
	moved = make([]int32, len(r.owned))
	i := 0
	for j, s := range next.owned {
		for ; i < len(r.owned) && r.owned[i].id < s.id; i++ {
			moved[i] = -1
		}
		if i < len(r.owned) && r.owned[i] == s {
			moved[i] = int32(j)
			i++
			continue
		}
		at := s.token
		for range s.n {
			at = mix(at)
			fresh = append(fresh, point{at - next.zero, int32(j)})
		}
	}
	for ; i < len(r.owned); i++ {
		moved[i] = -1
	}
	return moved, fresh
}

func (r *ring) add(p point) {
	r.points = append(r.points, p.at)
	r.owners = append(r.owners, p.owner)
}

// turn begins to count behind the last point. The order stays.
func (r *ring) turn() {
	behind := math.MaxUint64 - r.points[len(r.points)-1]
	r.zero -= behind
	for i := range r.points {
		r.points[i] += behind
	}
}

func (r *ring) index() {
	width := bits.Len(uint(2 * len(r.points)))
	r.shift = uint(64 - width)
	r.first = make([]uint32, 1<<width)
	box := 0
	for i, p := range r.points {
		for ; box <= int(p>>r.shift); box++ {
			r.first[box] = uint32(i)
		}
	}
}

func (r *ring) lookup(hash uint64) int {
	probe, stride := hash-r.zero, mix(hash)
	nearest, winner := uint64(math.MaxUint64), uint32(0)
	for range probes {
		i := r.first[probe>>r.shift]
		for r.points[i] < probe {
			i++
		}
		if d := r.points[i] - probe; d < nearest {
			nearest, winner = d, i
		}
		probe += stride
	}
	return int(r.owners[winner])
}
