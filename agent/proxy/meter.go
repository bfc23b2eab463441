package proxy

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"time"
)

// Meter counts what an upstream's server does. The zero value is ready; it is
// written to by many goroutines at once and read at any time.
type Meter struct {
	_           [64]byte
	Requests    atomic.Int64 // ended exchanges (HTTP) or connections (TCP)
	Errors      atomic.Int64 // of those, failed: 5xx, or cut short by us or a backend
	Active      atomic.Int64 // exchanges or TCP connections under way
	_           [64]byte
	Retries     atomic.Int64
	Denied      atomic.Int64 // retries and hedges that the budget did not allow
	Hedges      atomic.Int64 // requests that went to a second server, see Hedge
	HedgesWon   atomic.Int64 // of those, answered by it first
	Connections atomic.Int64 // open, from the app
	Waits       atomic.Int64 // times that MaxConnections kept one from being accepted at once
	Backends    atomic.Int64 // open, to backends
	Sent        atomic.Int64 // TCP: bytes from the app to backends
	Received    atomic.Int64 // TCP: bytes from backends to the app
	Took        Histogram    // of exchanges (HTTP) or connects (TCP)
	Concurrency atomic.Int64 // requests that may be in flight by Limits.Adaptive; 0 without
	Circuit     atomic.Int64 // a CircuitState
	// CircuitOpened counts how often the breaker opened.
	CircuitOpened atomic.Int64
	failures      byKind
	retried       byKind // TCP: what the try before each of Retries came to
}

// fail counts one failure.
func (m *Meter) fail(kind Kind) { m.failures.add(kind) }

// Failures is the number of failures by kind, without those that never were.
func (m *Meter) Failures() map[Kind]int64 { return m.failures.load() }

// retry counts one further try of a TCP server, after one that came to that.
func (m *Meter) retry(after Kind) {
	m.Retries.Add(1)
	m.retried.add(after)
}

// Retried is the number of a TCP server's retries by what the try before came
// to, without those that never were. Of HTTP the Observer is told.
func (m *Meter) Retried() map[Kind]int64 { return m.retried.load() }

// byKind are counts by kind.
type byKind [len(allKinds)]atomic.Int64

func (b *byKind) add(kind Kind) {
	if i := slices.Index(allKinds[:], kind); i >= 0 {
		b[i].Add(1)
	}
}

func (b *byKind) load() map[Kind]int64 {
	counts := make(map[Kind]int64)
	for i, k := range allKinds {
		if n := b[i].Load(); n > 0 {
			counts[k] = n
		}
	}
	return counts
}

// Histogram counts durations in buckets that grow by an eighth of a power of
// two, from a microsecond up to more than an hour: a quantile read from it is
// off by at most one part in eight.
type Histogram struct{ buckets [histogramSize]atomic.Int64 }

const histogramSize = 256

// Counts is what a Histogram held at one moment.
type Counts [histogramSize]int64

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) { h.buckets[bucketOf(d)].Add(1) }

// Load reads the counts.
func (h *Histogram) Load() (c Counts) {
	for i := range h.buckets {
		c[i] = h.buckets[i].Load()
	}
	return c
}

// bucketOf takes the power of two and the three bits after it.
func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 8 {
		return int(us)
	}
	power := bits.Len64(us) - 1 // at least 3
	return min((power-2)*8+int(us>>(power-3)&7), histogramSize-1)
}

// upTo is the upper bound of a bucket.
func upTo(bucket int) time.Duration {
	if bucket < 8 {
		return time.Duration(bucket+1) * time.Microsecond
	}
	power, eighth := bucket/8+2, bucket%8
	return time.Duration(uint64(8+eighth+1)<<(power-3)) * time.Microsecond
}

// Sub is what was counted since an earlier reading.
func (c Counts) Sub(earlier Counts) Counts {
	for i := range c {
		c[i] -= earlier[i]
	}
	return c
}

// Sum is how many durations were counted.
func (c Counts) Sum() (sum int64) {
	for _, n := range c {
		sum += n
	}
	return sum
}

// Quantile is a bound that the share q of the durations does not exceed; 0
// when nothing was counted.
func (c Counts) Quantile(q float64) time.Duration {
	rank, seen := q*float64(c.Sum()), int64(0)
	for i, n := range c {
		if seen += n; n > 0 && float64(seen) >= rank {
			return upTo(i)
		}
	}
	return 0
}
