package agent

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Status is what the agent says of itself: GET /v1/status and `outrigger
// status`. Durations are in seconds, shares from 0 to 1.
type Status struct {
	Name      string           `json:"name,omitempty"`
	Version   string           `json:"version"`
	Revision  string           `json:"revision,omitempty"`
	Started   time.Time        `json:"started"`
	State     string           `json:"state"` // running or draining
	Reload    *ReloadStatus    `json:"last_reload,omitempty"`
	Upstreams []UpstreamStatus `json:"upstreams"`
}

// ReloadStatus is how the last reload went.
type ReloadStatus struct {
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"`
}

// UpstreamStatus is one row of Status. Rates are of the last minute.
type UpstreamStatus struct {
	Name       string         `json:"name"`
	Listen     string         `json:"listen"`
	Protocol   string         `json:"protocol"`
	Strategy   string         `json:"strategy"`
	Ready      bool           `json:"ready"`
	Reason     string         `json:"reason,omitempty"` // why it is not ready
	Backends   map[string]int `json:"backends"`         // by state
	Usable     int            `json:"usable"`           // that can be picked
	Panic      bool           `json:"panic"`            // more can be picked than are up
	Catalog    *CatalogStatus `json:"catalog,omitempty"`
	Active     int64          `json:"active"`
	PerSecond  float64        `json:"requests_per_s"`
	ErrorShare float64        `json:"error_share"`
	P50        float64        `json:"p50_s"`
	P99        float64        `json:"p99_s"`
	Retries    int64          `json:"retries"`
}

// CatalogStatus is how the watch of an upstream's service is doing.
type CatalogStatus struct {
	Service   string    `json:"service"`
	Freshness string    `json:"freshness"` // waiting (for the first answer), fresh, stale or expired
	Age       float64   `json:"age_s"`     // of the last good answer
	Index     uint64    `json:"index"`
	Error     string    `json:"error,omitempty"`
	Since     time.Time `json:"since,omitzero"` // of the present run of errors, or of answers
	Skipped   []string  `json:"skipped,omitempty"`
}

// Explanation is why each backend of an upstream gets the traffic it gets: GET
// /v1/upstreams/NAME and `outrigger explain NAME`.
type Explanation struct {
	UpstreamStatus
	Backends []Backend `json:"backends"` // in place of the counts; those removed lately come last
}

// Backend is one row of an Explanation.
type Backend struct {
	ID        string         `json:"id"`
	Address   string         `json:"address"`
	Zone      string         `json:"zone,omitempty"`
	State     string         `json:"state"` // up, pending, down, ejected or draining
	Usable    bool           `json:"usable"`
	Rule      int            `json:"rule"`
	Reason    string         `json:"reason"`
	Since     time.Time      `json:"since"`
	Weight    int            `json:"weight"`
	Share     float64        `json:"share"` // of the picks of the last minute
	Active    int64          `json:"active"`
	Requests  int64          `json:"requests"`
	Failures  int64          `json:"failures"`
	Mean      float64        `json:"mean_response_s"`
	Last      float64        `json:"last_response_s"`
	Catalog   BackendCatalog `json:"catalog"`
	Probe     BackendProbe   `json:"probe"`
	Ejections int64          `json:"ejections"`
	Until     time.Time      `json:"ejected_until,omitzero"`
}

// BackendCatalog is the catalog's word on a backend.
type BackendCatalog struct {
	Status string `json:"status"`
	Check  string `json:"check"` // the one that decided
	Output string `json:"output"`
}

// BackendProbe is the agent's own.
type BackendProbe struct {
	Status string    `json:"status"`
	Output string    `json:"output"`
	At     time.Time `json:"at,omitzero"`
}

func backendOf(s lb.ServerStats, share float64) Backend {
	return Backend{
		ID: s.Server.ID, Address: s.Server.Address, Zone: s.Server.Zone,
		State: s.Verdict.State.String(), Usable: s.Usable(), Rule: s.Verdict.Rule, Reason: s.Reason, Since: s.Since,
		Weight: s.Verdict.Weight, Share: share,
		Active: s.Active, Requests: s.Requests, Failures: s.Failures,
		Mean: s.MeanResponseTime.Seconds(), Last: s.ResponseTime.Seconds(),
		Catalog: BackendCatalog{Status: s.Server.Declared.Status.String(), Check: s.Server.Declared.Check, Output: s.Server.Declared.Output},
		Probe:   BackendProbe{Status: s.Probe.Status.String(), Output: s.Probe.Output, At: s.Probed},

		Ejections: s.Ejections, Until: s.EjectedUntil,
	}
}

// states counts backends by state, every state named.
func states(servers []lb.ServerStats) map[string]int {
	counts := make(map[string]int)
	for s := health.Up; s <= health.Draining; s++ {
		counts[s.String()] = 0
	}
	for _, s := range servers {
		counts[s.Verdict.State.String()]++
	}
	return counts
}
