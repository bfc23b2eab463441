package lb

// maglev maps hashes to positions. Every server walks the table in an order
// of its own, given by its ID, and in turn takes the next free slot, heavier
// ones more often. A server's slots therefore depend little on the others.
type maglev struct{ slots []int32 }

// Table sizes are prime, so that any stride reaches every slot. One size
// serves all pools but enormous ones, since a change of size moves every key.
const (
	maglevSize      = 65537
	maglevLargeSize = 1048583
	maglevLargePool = 10000
)

func newMaglev(pool []*Candidate) maglev {
	size := uint64(maglevSize)
	if len(pool) > maglevLargePool {
		size = maglevLargeSize
	}
	type walk struct {
		at, stride uint64
		credit     float64
	}
	var heaviest int64
	walks := make([]walk, len(pool))
	for i, c := range pool {
		h := hashString(c.server.ID)
		walks[i] = walk{at: h % size, stride: mix(h)%(size-1) + 1}
		heaviest = max(heaviest, c.weight)
	}
	slots := make([]int32, size)
	for i := range slots {
		slots[i] = -1
	}
	for left := size; ; {
		for i := range walks {
			w := &walks[i]
			w.credit += float64(pool[i].weight) / float64(heaviest)
			if w.credit < 1 {
				continue
			}
			w.credit--
			for slots[w.at] >= 0 {
				w.at = (w.at + w.stride) % size
			}
			slots[w.at] = int32(i)
			if left--; left == 0 {
				return maglev{slots}
			}
		}
	}
}

func (m *maglev) lookup(hash uint64) int { return int(m.slots[hash%uint64(len(m.slots))]) }
