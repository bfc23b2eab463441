package agent

import (
	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// policyOf is how a pool is judged.
func policyOf(h config.Health) health.Policy {
	p := health.Policy{CatalogFall: h.ConsulFall, FailClosed: h.Panic == "fail_closed"}
	// The configuration has made sure of the words; another would mean the default.
	_ = p.Algebra.UnmarshalText([]byte(h.Merge))
	_ = p.Warnings.UnmarshalText([]byte(h.Warning))
	if h.Panic != "off" {
		p.PanicThreshold = float64(h.PanicThreshold) / 100
	}
	return p
}

// dampingOf damps nothing where the configuration has none.
func dampingOf(d *config.Damping) health.Damping {
	if d == nil {
		return health.Damping{}
	}
	return health.Damping{Suppress: d.Suppress, Reuse: d.Reuse, HalfLife: d.HalfLife, Max: d.MaxTime}
}
