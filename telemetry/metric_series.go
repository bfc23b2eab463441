package telemetry

import (
	"fmt"
	"strings"
	"time"
)

// backendLimit is Metrics.BackendLimit where it is 0.
const backendLimit = 256

func (m Metrics) backends() int {
	if m.BackendLimit == 0 {
		return backendLimit
	}
	return m.BackendLimit
}

// instruments are Instruments with the buckets that are wanted.
func (m Metrics) instruments() []Instrument {
	all := Instruments()
	if m.LatencyBuckets == nil {
		return all
	}
	var seconds []float64
	for _, bound := range m.LatencyBuckets {
		seconds = append(seconds, bound.Seconds())
	}
	for i := range all {
		if name := all[i].Name; name == httpServerDuration || name == httpClientDuration {
			all[i].Buckets = seconds
		}
	}
	return all
}

func (m Metrics) validateSeries() error {
	if m.BackendLimit < 0 {
		return fmt.Errorf("telemetry: metrics: a limit of %d backends is negative", m.BackendLimit)
	}
	last := time.Duration(0)
	for _, bound := range m.LatencyBuckets {
		if bound <= last {
			return fmt.Errorf("telemetry: metrics: a latency bucket up to %v comes after one up to %v", bound, last)
		}
		last = bound
	}
	return nil
}

// shownBuckets are buckets as a setting shows them.
func shownBuckets(bounds []time.Duration) string {
	var words []string
	for _, bound := range bounds {
		words = append(words, bound.String())
	}
	return strings.Join(words, ", ")
}
