package lb

import (
	"math"
	"sync/atomic"
	"time"
)

// average is an exponentially decaying mean of durations: a sample's weight
// falls to 1/e in decay, whatever the rate of samples. A lost update between
// two writers only loses one sample of many.
type average struct {
	value atomic.Uint64 // float64 bits, ns; 0 before the first sample
	stamp atomic.Int64  // ns on the balancer's clock
}

// decay is long enough to smooth over single answers and short enough that a
// server which recovered is believed within seconds (Finagle's choice too).
const decay = 10 * time.Second

// mean is the mean in nanoseconds, 0 before the first sample.
func (a *average) mean() float64 { return math.Float64frombits(a.value.Load()) }

func (a *average) load() time.Duration { return time.Duration(math.Round(a.mean())) }

// add takes a sample in. With peak, a sample above the mean replaces it, so
// that a server in trouble is seen at once and forgiven slowly.
func (a *average) add(sample time.Duration, now int64, peak bool) {
	for {
		old := a.value.Load()
		mean, next := math.Float64frombits(old), float64(sample)
		if old != 0 && !(peak && next > mean) {
			keep := math.Exp(-float64(now-a.stamp.Load()) / float64(decay))
			next = mean*keep + next*(1-keep)
		}
		if a.value.CompareAndSwap(old, math.Float64bits(max(next, 1))) {
			a.stamp.Store(now)
			return
		}
	}
}
