package health

// remembered is how many results a History keeps.
const remembered = 10

// History is the last ten results of a server's probes. The zero value is
// empty. It is not safe for use by several goroutines at once.
type History struct {
	ring []Result
	next int // where the oldest stands, once the ring is full
}

// Add puts a result in, in place of the oldest.
func (h *History) Add(r Result) {
	if len(h.ring) < remembered {
		h.ring = append(h.ring, r)
		return
	}
	h.ring[h.next] = r
	h.next = (h.next + 1) % remembered
}

// All lists the results, the oldest first.
func (h *History) All() []Result {
	all := make([]Result, 0, len(h.ring))
	return append(append(all, h.ring[h.next:]...), h.ring[:h.next]...)
}
