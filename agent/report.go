package agent

import (
	"fmt"
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
	Probes    ProbesStatus     `json:"probes"`
	Service   *ServiceStatus   `json:"service,omitempty"` // the app, where it is registered
	Upstreams []UpstreamStatus `json:"upstreams"`
}

// ReloadStatus is how the last reload went.
type ReloadStatus struct {
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"`
}

// ServiceStatus is how the registration of the app is doing.
type ServiceStatus struct {
	Name       string    `json:"name"`
	ID         string    `json:"id"`
	Registered bool      `json:"registered"`      // as far as is known
	Since      time.Time `json:"since"`           // that it is, or is not
	Error      string    `json:"error,omitempty"` // of the last call to Consul
}

// UpstreamStatus is one row of Status. Rates are of the last minute.
type UpstreamStatus struct {
	Name       string         `json:"name"`
	Listen     string         `json:"listen"`
	Protocol   string         `json:"protocol"`
	Strategy   string         `json:"strategy"`
	Zone       string         `json:"zone,omitempty"` // the own one, where it is preferred
	Ready      bool           `json:"ready"`
	Reason     string         `json:"reason,omitempty"` // why it is not ready
	Backends   map[string]int `json:"backends"`         // by state
	Usable     int            `json:"usable"`           // that can be picked
	Panic      bool           `json:"panic"`            // more can be picked than are up; where it fails closed, none
	Catalog    *CatalogStatus `json:"catalog,omitempty"`
	Active     int64          `json:"active"`
	PerSecond  float64        `json:"requests_per_s"`
	ErrorShare float64        `json:"error_share"`
	P50        float64        `json:"p50_s"`
	P99        float64        `json:"p99_s"`
	Retries    int64          `json:"retries"`
	Hedges     *HedgesStatus  `json:"hedges,omitempty"`
	Limits     LimitsStatus   `json:"limits"`
	Queue      *QueueStatus   `json:"queue,omitempty"`
	Shadow     *ShadowStatus  `json:"shadow,omitempty"`
	TLS        *TLSStatus     `json:"tls,omitempty"` // nil in the clear
}

// QueueStatus is how those fare that wait for a place at a backend.
type QueueStatus struct {
	Length  int   `json:"length"` // how many may wait
	Waiting int   `json:"waiting"`
	Queued  int64 `json:"queued"`  // that ever waited
	GaveUp  int64 `json:"gave_up"` // of those, without a place
	Refused int64 `json:"refused"` // that found the queue full
}

// ShadowStatus is what the shadow strategy would have done since it was set.
type ShadowStatus struct {
	Strategy    string    `json:"strategy"`
	Picks       int64     `json:"picks"`
	AgreedShare float64   `json:"agreed_share"` // of the picks, those of the same backend as the strategy's
	Unplaced    int64     `json:"unplaced"`     // picks of none, since every backend was full by its count
	Imbalance   Imbalance `json:"imbalance"`
}

// Imbalance is how many times its planned share the backend had that had most
// of it in the last minute: 1 is even, 0 is without any. Load is the sum of
// response times.
type Imbalance struct {
	Picks       float64 `json:"picks"`
	ShadowPicks float64 `json:"shadow_picks"`
	Load        float64 `json:"load"`
	ShadowLoad  float64 `json:"shadow_load"`
}

// Explanation is why each backend of an upstream gets the traffic it gets: GET
// /v1/upstreams/NAME and `outrigger explain NAME`.
type Explanation struct {
	UpstreamStatus
	Merge    string    `json:"merge"`    // how the catalog's word and the probes' become one
	Backends []Backend `json:"backends"` // in place of the counts; those removed lately come last
}

// Backend is one row of an Explanation.
type Backend struct {
	ID        string         `json:"id"`
	Address   string         `json:"address"`
	Zone      string         `json:"zone,omitempty"`
	Place     string         `json:"place,omitempty"` // where it was found, if it is looked for in several
	State     string         `json:"state"`           // up, pending, down, ejected or draining
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

	EjectionLeft float64         `json:"ejection_left_s,omitempty"` // until that is over, if nothing ends it sooner
	Damping      *BackendDamping `json:"damping,omitempty"`         // nil while it has not flapped
	TLS          *BackendTLS     `json:"tls,omitempty"`             // nil while it works, or is not known
	WouldChange  []string        `json:"would_change"`              // what would make it up, or no longer up; each alone is enough

	Priority int     `json:"priority"`
	Tier     int     `json:"tier"`          // by priority and zone, 1 the first; 0 where it cannot be picked
	Tiers    int     `json:"tiers"`         // that there are; 0 where it cannot be picked
	Planned  float64 `json:"planned_share"` // of all requests, by tiers and weights alone
	Ramp     float64 `json:"ramp"`          // of its weight that is in force, less than 1 in a slow start
	Spared   bool    `json:"spared"`        // could be used, but is outside this agent's subset

	ShadowShare  float64 `json:"shadow_share"`  // of the shadow strategy's picks of the last minute
	ShadowActive int64   `json:"shadow_active"` // what it would have under the shadow strategy
}

// BackendCatalog is the catalog's word on a backend.
type BackendCatalog struct {
	Status string `json:"status"`
	Check  string `json:"check"` // the one that decided
	Output string `json:"output"`
	// Checks are all that it has of the backend, the worst first where there
	// are many; none are known of one from disk.
	Checks []BackendCheck `json:"checks,omitempty"`

	Against time.Time `json:"against_since,omitzero"` // since when it speaks against the backend without a break
}

// BackendProbe is the agent's own.
type BackendProbe struct {
	Status string    `json:"status"`
	Output string    `json:"output"`
	At     time.Time `json:"at,omitzero"`

	Streak  int           `json:"streak,omitempty"` // probes in a row, the last one last, that speak against the status
	Skipped int64         `json:"skipped"`          // not made, since requests had proved the same
	History []ProbeResult `json:"history"`          // the last ten that were made, the oldest first
}

func backendOf(s lb.ServerStats, share, shadowShare float64) Backend {
	return Backend{
		ID: s.Server.ID, Address: s.Server.Address, Zone: s.Server.Zone,
		State: s.Verdict.State.String(), Usable: s.Usable(), Rule: s.Verdict.Rule, Reason: reasonOf(s), Since: s.Since,
		Weight: s.Verdict.Weight, Share: share,
		Active: s.Active, Requests: s.Requests, Failures: s.Failures,
		Mean: s.MeanResponseTime.Seconds(), Last: s.ResponseTime.Seconds(),
		Catalog: BackendCatalog{Status: s.Server.Declared.Status.String(), Check: s.Server.Declared.Check, Output: s.Server.Declared.Output},
		Probe:   BackendProbe{Status: s.Probe.Status.String(), Output: s.Probe.Output, At: s.Probed},

		Ejections: s.Ejections, Until: s.EjectedUntil, Damping: dampingStatus(s),

		Priority: s.Server.Priority, Tier: s.Place.Tier, Tiers: s.Place.Of, Planned: s.Place.Share,
		Ramp: s.Place.Part, Spared: s.Place.Spared,

		ShadowShare: shadowShare, ShadowActive: s.Shadow.Active,
	}
}

// reasonOf is why a backend gets what it gets: its verdict, and what follows
// from its place.
func reasonOf(s lb.ServerStats) string {
	switch {
	case s.Place.Spared:
		return s.Reason + "; outside this agent's subset"
	case s.Usable() && s.Place.Part < 1:
		return fmt.Sprintf("%s; %.0f%% ramped", s.Reason, 100*s.Place.Part)
	}
	return s.Reason
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
