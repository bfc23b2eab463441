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
