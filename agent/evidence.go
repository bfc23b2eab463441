package agent

import (
	"math"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

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
