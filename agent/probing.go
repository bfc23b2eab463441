package agent

import (
	"fmt"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/lb/probe"
)

// checkName is the same for checks that ask the same, so that upstreams which
// have a backend in common share its probes. What is asked is all of c but how
// often, how long, and what follows from the answers.
func checkName(c *config.Check) string {
	switch c.Type {
	case "tcp":
		return "tcp"
	case "grpc":
		return fmt.Sprintf("grpc %q", c.Service)
	}
	return fmt.Sprintf("http %q %q %v", c.Path, c.Host, c.Status)
}

// sharedName is the name of a check, none for one over TLS: what it finds is
// true for one upstream only.
func sharedName(name string, handshake probe.Handshake) string {
	if handshake != nil {
		return ""
	}
	return name
}

func budgetOf(p config.Probes) health.Budget {
	return health.Budget{PerSecond: float64(p.PerSecond), AtOnce: p.AtOnce}
}

// ProbesStatus is how the probes of all upstreams together are doing.
type ProbesStatus struct {
	Targets   int     `json:"targets"`    // each with a check of its own
	Wanted    float64 `json:"wanted"`     // in a second, by their intervals
	PerSecond float64 `json:"per_second"` // that are allowed
	AtOnce    int     `json:"at_once"`    // that are allowed
	UnderWay  int     `json:"under_way"`
	Late      float64 `json:"late_s"` // by how much the budget makes intervals longer, smoothed
	Made      int64   `json:"made"`
	Skipped   int64   `json:"skipped"` // since requests had proved the same
}

func (a *Agent) probesStatus() ProbesStatus {
	s := a.probes.Stats()
	return ProbesStatus{
		Targets: s.Targets, Wanted: s.Wanted, PerSecond: s.Budget.PerSecond, AtOnce: s.Budget.AtOnce,
		UnderWay: s.UnderWay, Late: s.Late.Seconds(), Made: s.Made, Skipped: s.Skipped,
	}
}
