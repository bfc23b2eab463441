package agent

import (
	"math"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// ProbeResult is the outcome of one probe.
type ProbeResult struct {
	At     time.Time `json:"at"`
	Good   bool      `json:"good"`
	Took   float64   `json:"took_s"`
	Late   float64   `json:"late_s,omitempty"` // after its time, for want of budget
	Output string    `json:"output"`
}

// BackendDamping is how much a backend has flapped.
type BackendDamping struct {
	Penalty float64   `json:"penalty"`
	Times   int64     `json:"times"` // that it was kept out
	Until   time.Time `json:"until,omitzero"`
}

// dampingStatus is nil where there is nothing to tell.
func dampingStatus(s lb.ServerStats) *BackendDamping {
	if s.Penalty == 0 && s.Dampings == 0 {
		return nil
	}
	return &BackendDamping{Penalty: s.Penalty, Times: s.Dampings, Until: s.DampedUntil}
}

// damped is what the log tells of a backend that is kept out.
func (u *upstream) damped(id string) []any {
	s, ok := u.balancer.ServerStats(id)
	if !ok || s.DampedUntil.IsZero() {
		return nil
	}
	return []any{"penalty", math.Round(100*s.Penalty) / 100, "until", s.DampedUntil.UTC().Format(time.RFC3339)}
}

func (u *upstream) algebra() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.config.Health.Merge
}

// explain adds what led to the verdict, and what would lead to another.
func (b *Backend) explain(x lb.Explanation) {
	b.Catalog.Against = x.AgainstSince
	b.Probe.Streak, b.Probe.Skipped = x.Probe.Streak, x.Skipped
	b.Probe.History = make([]ProbeResult, len(x.History))
	for i, r := range x.History {
		b.Probe.History[i] = ProbeResult{At: r.At, Good: r.Good, Took: r.Took.Seconds(), Late: r.Late.Seconds(), Output: r.Output}
	}
	if !x.EjectedUntil.IsZero() {
		b.EjectionLeft = max(0, time.Until(x.EjectedUntil).Seconds())
	}
	b.WouldChange = append([]string{}, x.WouldChange...)
}
