package lb

import "sync/atomic"

// load is how many leases a server has out and how many it was ever given, in
// one word: choosing, counting and reserving are one step that cannot be seen
// half done, and cost one access to memory that all processors fight over.
// Four loads share a cache line (see loads): a strategy which compares ten
// servers reads three lines and not ten, and two callers who take different
// servers seldom meet on one.
//
// The low bits hold the leases that are out, the others those ever given.
type load struct {
	word atomic.Uint64
	_    [8]byte
}

const (
	outBits = 20
	// maxOut is how many leases one server can have out at once, limit or not:
	// more than there are ports and descriptors to serve them with.
	maxOut = 1<<outBits - 1
	// given added to a word is one lease more, ever and out. What was ever given
	// begins again at zero after 2^44, in five years at 100,000 a second.
	given = 1<<outBits | 1
)

func (l *load) out() int64      { return int64(l.word.Load() & maxOut) }
func (l *load) requests() int64 { return int64(l.word.Load() >> outBits) }

// take gives one lease more, if that leaves no more than limit of them out. It
// is check and reservation in one: callers at the same moment cannot share the
// last place.
func (l *load) take(limit int64) bool {
	if limit == 0 {
		if l.word.Add(given)&maxOut != 0 {
			return true
		}
		l.word.Add(^uint64(given) + 1) // the low bits overflowed: take it all back
		return false
	}
	for {
		word := l.word.Load()
		if int64(word&maxOut) >= limit {
			return false
		}
		if l.word.CompareAndSwap(word, word+given) {
			return true
		}
	}
}

// giveBack ends one lease.
func (l *load) giveBack() { l.word.Add(^uint64(0)) }

// loads hands out loads that stand close together, and on cache lines on which
// nothing else stands.
type loads struct{ spare []load }

func (s *loads) next() *load {
	if len(s.spare) == 0 {
		s.spare = make([]load, 8)
	}
	l := &s.spare[0]
	s.spare = s.spare[1:]
	return l
}

// counter is a number that many callers change at once. It has a cache line to
// itself: next to anything else it would slow that down, and be slowed by it.
type counter struct {
	_ [64]byte
	n atomic.Int64
	_ [56]byte
}
