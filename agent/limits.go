package agent

import (
	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
)

// LimitsStatus is what bounds an upstream at the moment, and what that has kept
// out. A bound of 0 is none.
type LimitsStatus struct {
	Connections     int64 `json:"connections"` // from the app, open
	MaxConnections  int   `json:"max_connections"`
	ConnectionWaits int64 `json:"connection_waits"` // times that one had to wait to be accepted
	RetriesDenied   int64 `json:"retries_denied"`   // for want of budget, hedges included

	// The rest is of http alone.
	MaxRequests int              `json:"max_requests,omitempty"`        // in flight
	Concurrency int64            `json:"concurrency_limit,omitempty"`   // in flight, as latency tells
	PerSecond   float64          `json:"requests_per_second,omitempty"` // in the long run
	Rejected    map[string]int64 `json:"rejected,omitempty"`            // requests, by the error.type that they have in telemetry
	Circuit     *CircuitStatus   `json:"circuit,omitempty"`             // nil without a breaker
}

// CircuitStatus is how an upstream's circuit breaker is doing.
type CircuitStatus struct {
	State  string `json:"state"`  // closed, half_open or open
	Opened int64  `json:"opened"` // times
}

// HedgesStatus is how requests fared that took long, and so went to a second
// backend.
type HedgesStatus struct {
	Sent int64 `json:"sent"`
	Won  int64 `json:"won"` // by the second backend
}

// limitsStatus reads what a meter has counted beside what is configured.
func limitsStatus(c config.Upstream, m *proxy.Meter) LimitsStatus {
	s := LimitsStatus{
		Connections: m.Connections.Load(), MaxConnections: c.Limits.MaxConnections, ConnectionWaits: m.Waits.Load(),
		RetriesDenied: m.Denied.Load(),
	}
	if c.Protocol == "tcp" {
		return s
	}
	s.MaxRequests, s.Concurrency = c.Limits.MaxRequests, m.Concurrency.Load()
	if r := c.Limits.RateLimit; r != nil {
		s.PerSecond = r.RequestsPerSecond
	}
	if c.Limits.CircuitBreaker != nil {
		s.Circuit = &CircuitStatus{State: proxy.CircuitState(m.Circuit.Load()).String(), Opened: m.CircuitOpened.Load()}
	}
	for kind, n := range m.Failures() {
		switch kind {
		case proxy.RequestLimit, proxy.ConcurrencyLimit, proxy.RateLimited, proxy.CircuitBroken, proxy.MemoryShort, proxy.NoDescriptor:
			if s.Rejected == nil {
				s.Rejected = make(map[string]int64)
			}
			s.Rejected[string(kind)] = n
		}
	}
	return s
}

// hedgesStatus is nil where nothing is hedged, and nothing was.
func hedgesStatus(c config.Upstream, m *proxy.Meter) *HedgesStatus {
	won := m.HedgesWon.Load() // first: there are never more than were sent
	s := HedgesStatus{Sent: m.Hedges.Load(), Won: won}
	if c.Retry.Hedge == nil && s.Sent == 0 {
		return nil
	}
	return &s
}
