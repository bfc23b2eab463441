package lb

import (
	"math"
	"sync/atomic"
	"time"
)

// average is an exponentially decaying mean of durations: a sample's weight
// falls to 1/e in a time, whatever the rate of samples. A lost update between
// two writers only loses one sample of many.
type average struct {
	value atomic.Uint64 // float64 bits, ns; 0 before the first sample
	stamp atomic.Int64  // ns on the balancer's clock
}

// smoothing is the decay of what is shown to people: long enough to smooth over
// single answers, short enough to tell of the present.
const smoothing = 10 * time.Second

// forgiving is the decay of what least response time reckons with. Finagle and
// linkerd take 10 s. In lbsim a server that stalls for a second in every 20 has
// hardly any traffic after that; with 5 s it is soon back, and nothing else is
// worse by more than a twentieth.
const forgiving = 5 * time.Second

// mean is the mean in nanoseconds, 0 before the first sample.
func (a *average) mean() float64 { return math.Float64frombits(a.value.Load()) }

func (a *average) load() time.Duration { return time.Duration(math.Round(a.mean())) }

// add takes a sample in, with the decay of its kind. With peak, a sample above the mean replaces it, so
// that a server in trouble is seen at once and forgiven slowly.
func (a *average) add(sample time.Duration, now int64, decay time.Duration, peak bool) {
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
