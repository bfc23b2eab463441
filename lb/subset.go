package lb

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Subset has each of many clients use some servers of a very large service
// only, so that connections do not grow as clients times servers.
// Every client goes around the same circle of servers and takes the first that
// are up, each from another start: when a server comes or goes, a client that
// used it takes one other instead, and nobody else notices (the ring of
// Finagle's deterministic aperture). The zero value uses all.
type Subset struct {
	Size int // servers to use of each tier; 0: all
	// Client tells this client from the others. Where it is a whole number,
	// such as the index of an allocation, the starts of clients 0 to m-1 divide
	// the circle evenly, and with them the load, for every m; any other text
	// is hashed, which is even on average.
	Client string
}

// start is where on the circle a client starts, 0 to 1.
func (s Subset) start() float64 {
	if n, err := strconv.ParseUint(s.Client, 10, 32); err == nil {
		// Multiples of the golden ratio divide a circle more evenly than those
		// of any other number (Knuth, The Art of Computer Programming 3, 6.4).
		_, turn := math.Modf(float64(n) * (math.Sqrt(5) - 1) / 2)
		return turn
	}
	return float64(hashString(s.Client)>>11) / (1 << 53)
}

// of picks the client's servers out of a tier: present are all there are, up
// or not, usable those of them that may be used. The order of usable is kept.
func (s Subset) of(present, usable []*member) []*member {
	if s.Size <= 0 || s.Size >= len(usable) {
		return usable
	}
	circle := slices.Clone(present)
	slices.SortFunc(circle, func(a, b *member) int { return cmp.Compare(a.token, b.token) })
	chosen := make(map[*member]bool, s.Size)
	up := make(map[*member]bool, len(usable))
	for _, m := range usable {
		up[m] = true
	}
	first := int(s.start() * float64(len(circle)))
	for i := range circle {
		if m := circle[(first+i)%len(circle)]; up[m] && len(chosen) < s.Size {
			chosen[m] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(usable), func(m *member) bool { return !chosen[m] })
}
