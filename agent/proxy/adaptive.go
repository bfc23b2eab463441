package proxy

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Adaptive bounds the requests in flight by how their latency grows: where they
// take longer than they take with little to do, they wait for each other
// somewhere, and more at once would only wait longer. It is the gradient
// controller of Envoy's adaptive concurrency filter, which in turn is that of
// Netflix's concurrency-limits, in small.
type Adaptive struct {
	Min       int     // requests in flight that are always allowed
	Max       int     // that are allowed at most
	Tolerance float64 // times the latency without load that counts as none; 1 or more
}

// adaptive is an Adaptive at work.
type adaptive struct {
	Adaptive
	meter *Meter
	limit atomic.Int64 // in force

	mu       sync.Mutex
	wanted   float64       // the limit but for what is done to measure
	baseline time.Duration // median latency without load; 0: not known
	samples  Counts        // of the window
	n        int           // samples
	peak     int64         // most in flight within the window
	closes   time.Duration // the window, at the soonest
	measures time.Duration // when the baseline is measured next
	since    time.Duration // when measuring began; 0: it is not done
}

const (
	adaptiveStart   = 100                    // requests in flight, before anything is known
	adaptiveWindow  = 100 * time.Millisecond // between two changes of the limit, at least
	adaptiveSamples = 20                     // that a change takes
	adaptiveEpoch   = 30 * time.Second       // between two measurements of the baseline
)

func newAdaptive(a *Adaptive, m *Meter) *adaptive {
	m.Concurrency.Store(0)
	if a == nil {
		return nil
	}
	c := &adaptive{Adaptive: *a, meter: m, closes: adaptiveWindow, measures: adaptiveEpoch}
	c.become(adaptiveStart)
	return c
}

// allows tells whether the nth request in flight is one too many.
func (c *adaptive) allows(n int64) bool { return n <= c.limit.Load() }

// observe is told the latency of a request that was answered, or of one that
// was not answered in time, and how many were in flight with it.
func (c *adaptive) observe(now, took time.Duration, inFlight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since != 0 && now-took < c.since {
		return // it began when there was load
	}
	c.samples[bucketOf(took)]++
	c.n++
	c.peak = max(c.peak, inFlight)
	if now < c.closes || c.n < adaptiveSamples {
		return
	}
	median := c.samples.Quantile(0.5)
	switch {
	case c.since != 0:
		c.baseline, c.since = median, 0
		c.become(c.wanted)
	default:
		if c.baseline == 0 || median < c.baseline {
			c.baseline = median
		}
		c.adjust(median)
		if now >= c.measures {
			c.measure(now)
		}
	}
	c.samples, c.n, c.peak, c.closes = Counts{}, 0, 0, now+adaptiveWindow
}

// adjust follows the gradient, and leaves room for the root of the limit to
// wait, so that the limit grows where there is no queue. It does not grow while
// it is not used by far: it would mean nothing any more.
func (c *adaptive) adjust(median time.Duration) {
	gradient := min(max(c.Tolerance*float64(c.baseline)/float64(median), 0.5), 1)
	next := c.wanted*gradient + math.Sqrt(c.wanted)
	if next > c.wanted && 3*c.peak < int64(c.wanted) {
		return
	}
	c.become(next)
}

// measure halves the limit until there is another baseline: what waits drains
// away, and requests that begin then take as long as they take without load. A
// limit that does not bind is three times what is needed, and halving it
// refuses nobody.
func (c *adaptive) measure(now time.Duration) {
	c.measures, c.since = now+adaptiveEpoch, now
	c.limit.Store(max(int64(c.wanted/2), int64(c.Min)))
}

func (c *adaptive) become(limit float64) {
	c.wanted = min(max(limit, float64(c.Min)), float64(c.Max))
	c.limit.Store(int64(c.wanted))
	c.meter.Concurrency.Store(int64(c.wanted))
}
