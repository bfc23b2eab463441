package load

import (
	"math/bits"
	"time"
)

// A histogram has 128 buckets for each power of two of nanoseconds, so that a
// quantile is right to 1%. It is for one goroutine. The zero histogram is empty.
type histogram [(64 - precision) << precision]uint32

const precision = 7 // bits

func bucket(d time.Duration) int {
	ns := uint64(max(d, 0))
	if ns < 1<<precision {
		return int(ns)
	}
	shift := bits.Len64(ns) - precision - 1
	return shift<<precision + int(ns>>shift)
}

// value is the middle of a bucket.
func value(bucket int) time.Duration {
	if bucket < 2<<precision {
		return time.Duration(bucket)
	}
	shift := bucket>>precision - 1
	low := uint64(bucket&(1<<precision-1)|1<<precision) << shift
	return time.Duration(low + 1<<shift/2)
}

func (h *histogram) add(d time.Duration) { h[bucket(d)]++ }

func (h *histogram) merge(other *histogram) {
	for i, n := range other {
		h[i] += n
	}
}

// quantile is the time below which the part q of all lies; 0 of none.
func (h *histogram) quantile(q float64) time.Duration {
	total := 0
	for _, n := range h {
		total += int(n)
	}
	rank := min(int(q*float64(total)), total-1)
	for i, n := range h {
		if rank -= int(n); rank < 0 && n > 0 {
			return value(i)
		}
	}
	return 0
}
