package lb

import "math/bits"

// ring maps hashes to positions. Every server has a few points on a circle,
// given by its ID alone; a key is hashed to probes places on it, and goes to
// the server of the point that any of them is closest in front of (Appleton,
// O'Reilly, Multi-probe consistent hashing, 2015).
//
// A Maglev table is one look-up instead of some twenty, but it moves more keys
// than it must: when one of 100 servers leaves, half as many again at Maglev's
// usual size of 65537, and six times as many when it is one of 1000; a table
// large enough takes as long to fill as all other work of an agent. A ring with
// one probe moves no key without need either, but takes 2500 points a server
// to be as even as this one is with 16: shares exceed their due by at most one
// in probes.
type ring struct {
	points []uint64 // sorted; the last is the largest number there is
	owners []int32  // positions of the servers
	first  []uint32 // for each value of a point's high bits, the first point from there on
	shift  uint     // what remains of a point are its high bits
	zero   uint64   // where on the circle counting begins
}

const (
	probes = 21
	// pointsPerWeight is how many points a server has for each unit of weight.
	// Shares below their due are off by about 1/sqrt(of it) of 15%.
	pointsPerWeight = 64
	// heavy is the weight from which units are coarser than 1, so that points
	// stay few: a server has 64 to 512 of them if it is the heaviest.
	heavy = 8
)

func newRing(pool []*Candidate) *ring {
	heaviest, unit := 0.0, 1.0
	for _, c := range pool {
		heaviest = max(heaviest, c.weight)
	}
	for heaviest > heavy*unit {
		unit *= 2
	}
	var all []uint64
	var owners []int32
	for i, c := range pool {
		point := c.member.token
		for range max(1, int(c.weight/unit*pointsPerWeight+0.5)) {
			point = mix(point)
			all, owners = append(all, point), append(owners, int32(i))
		}
	}
	return sortPoints(all, owners)
}

// sortPoints sorts by the high bits first, which tells points apart to one or
// two, and keeps that as the index. The circle is turned so that the last point
// has the largest number: then no hash is behind all points.
func sortPoints(points []uint64, owners []int32) *ring {
	zero := uint64(0)
	for _, p := range points {
		zero = max(zero, p)
	}
	zero++
	width := bits.Len(uint(4 * len(points)))
	r := &ring{
		points: make([]uint64, len(points)), owners: make([]int32, len(points)),
		first: make([]uint32, 1<<width+1), shift: uint(64 - width), zero: zero,
	}
	for _, p := range points {
		r.first[(p-zero)>>r.shift+1]++
	}
	for i := 1; i < len(r.first); i++ {
		r.first[i] += r.first[i-1]
	}
	filled := make([]uint32, 1<<width)
	for i, p := range points {
		p -= zero
		box := p >> r.shift
		at := r.first[box] + filled[box]
		filled[box]++
		for ; at > r.first[box] && r.points[at-1] > p; at-- {
			r.points[at], r.owners[at] = r.points[at-1], r.owners[at-1]
		}
		r.points[at], r.owners[at] = p, owners[i]
	}
	return r
}

func (r *ring) lookup(hash uint64) int {
	probe, stride := hash-r.zero, mix(hash)
	nearest, winner := ^uint64(0), uint32(0)
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
