package main

import (
	"fmt"
	"math"
	"time"
)

// axis is a logarithmic one. It begins at a power of ten.
type axis struct{ from, to float64 } // exponents of nanoseconds

// axisOf spans the response times in results, with room on both sides, so that
// the shortest bar is seen and the longest ends.
func axisOf(results []result) axis {
	shortest, longest := never, time.Duration(0)
	for _, r := range results {
		if r.took.p50 > 0 {
			shortest, longest = min(shortest, r.took.p50), max(longest, r.took.p999)
		}
	}
	if longest == 0 { // nothing was served
		shortest, longest = time.Millisecond, time.Second
	}
	from := math.Floor(math.Log10(float64(shortest) / 2))
	return axis{from, max(math.Log10(float64(longest)*1.2), from+1)}
}

// at is how far to the right a time is, in pixels.
func (a axis) at(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	part := (math.Log10(float64(d)) - a.from) / (a.to - a.from)
	return int(math.Round(plotWidth * min(max(part, 0), 1)))
}

// ticks are the powers of ten.
func (a axis) ticks() (ticks []time.Duration) {
	for e := a.from; e <= a.to; e++ {
		ticks = append(ticks, time.Duration(math.Round(math.Pow(10, e))))
	}
	return ticks
}

func tickLabel(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.size {
			return fmt.Sprintf("%d\u2009%s", d/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d\u2009ns", d)
}
