package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/load"
)

// metric is something that is measured of a proxy. Of all but rate less is better.
type metric string

const (
	rate     metric = "requests/s"
	p50      metric = "p50 µs"
	p99      metric = "p99 µs"
	cpu      metric = "CPU µs/request" // of the proxy's processes, user and system
	peak     metric = "peak MiB"       // resident at most, all processes added up
	growth   metric = "KiB/connection" // resident growth by idle connections
	resident metric = "resident MiB"   // of all processes, shared pages once for each
	startup  metric = "ms to first answer"
)

// sample is what was measured at once. What could not be measured is not in it.
type sample map[metric]float64

// sampleOf is what a result says. Of the direct line, without a process, there
// is no cost, and on systems where none can be read.
func sampleOf(r row, result load.Result) sample {
	s, measured := make(sample), result.After > 0
	if r.plan.Kind.Idles() {
		if measured {
			s[growth] = float64(result.After-result.Before) / kib / float64(max(result.Requests, 1))
			s[resident] = float64(result.After) / mib
		}
		return s
	}
	requests := float64(result.Requests)
	s[rate] = requests / result.Elapsed.Seconds()
	if requests > 0 {
		s[p50], s[p99] = micro(result.P50), micro(result.P99)
	}
	if measured && requests > 0 {
		s[cpu] = micro(result.CPU) / requests
		s[peak] = float64(result.Peak) / mib
	}
	return s
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// figure is a number with as many digits as it deserves.
func figure(v float64) string {
	switch {
	case v >= 9999.5:
		text := fmt.Sprintf("%.0f", v)
		return text[:len(text)-3] + "," + text[len(text)-3:]
	case v >= 99.95, v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995 || v < 0:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// short is a metric as the head of a column of ratios.
func (m metric) short() string {
	name, _, _ := strings.Cut(string(m), " ")
	return name
}
