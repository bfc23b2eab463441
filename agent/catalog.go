package agent

import (
	"cmp"
	"errors"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// CatalogStatus is how an upstream's service is found in Consul.
type CatalogStatus struct {
	Service string `json:"service"`
	Query   string `json:"prepared_query,omitempty"` // that says which service
	// WatchStatus is that of the first place which ever answered, where there
	// are several; freshness is waiting until one has.
	WatchStatus
	Index   uint64   `json:"index"`
	Doubt   string   `json:"doubt,omitempty"`   // why backends are kept that Consul's last answer lacks
	Missing int      `json:"missing,omitempty"` // how many
	Places  []Place  `json:"places,omitempty"`  // in order of preference, where there are several
	Skipped []string `json:"skipped,omitempty"` // entries that were left out, and why
	Notes   []string `json:"notes,omitempty"`   // what is odd about others
}

// WatchStatus is how one watch is doing.
type WatchStatus struct {
	Freshness string           `json:"freshness"` // waiting (for the first answer), fresh, stale or expired
	Age       float64          `json:"age_s"`     // of the last good answer
	Error     string           `json:"error,omitempty"`
	ErrorKind string           `json:"error_kind,omitempty"` // such as network, denied, hidden or server
	Since     time.Time        `json:"since,omitzero"`       // of the present run of errors, or of answers
	Hidden    bool             `json:"hidden,omitempty"`     // Consul leaves out instances for want of permission
	Polling   bool             `json:"polling,omitempty"`    // asks now and then, for there are too many watches
	Suspicion *SuspicionStatus `json:"suspicion,omitempty"`  // of the last answer, which is not believed yet
}

// SuspicionStatus is what speaks against an answer.
type SuspicionStatus struct {
	Reason        string    `json:"reason"`
	Since         time.Time `json:"since"`
	Missing       int       `json:"missing"`       // instances that are kept though the answer lacks them
	Confirmations int       `json:"confirmations"` // readings in a row that bore it out
	Needed        int       `json:"needed"`
}

// Place is one of several that a service is looked for in.
type Place struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"` // that are there, and at none before it
	WatchStatus
}

func watchStatus(s discovery.Status) WatchStatus {
	w := WatchStatus{Freshness: "waiting", Since: s.Since, Hidden: s.Hidden, Polling: s.Polling}
	if s.Err != nil {
		w.Error, w.ErrorKind = s.Err.Error(), s.Class
	}
	if p := s.Suspicion; p != nil {
		w.Suspicion = &SuspicionStatus{p.Reason, p.Since, p.Missing, p.Confirmations, discovery.Confirmations}
	}
	return w
}

// catalog is how the service is found.
func (u *upstream) catalog(service config.Service) *CatalogStatus {
	u.mu.Lock()
	watch, snapshot, maxStale, plan := u.watch, u.snapshot, u.config.Health.MaxStale, u.plan
	u.mu.Unlock()
	var s discovery.Status
	if watch != nil {
		s = watch.Status()
	}
	c := &CatalogStatus{
		Service: cmp.Or(service.Name, plan.plan.Service), Query: service.PreparedQuery, WatchStatus: watchStatus(s), Index: snapshot.Index,
		Doubt: snapshot.Doubt, Skipped: snapshot.Skipped, Notes: snapshot.Notes,
	}
	c.Missing = missing(snapshot)
	if plan.err != nil && c.Error == "" {
		c.Error = plan.err.Error()
		if known, ok := errors.AsType[*discovery.Error](plan.err); ok {
			c.ErrorKind = known.Class
		}
	}
	if !snapshot.At.IsZero() {
		freshness, since, _ := u.freshness()
		c.Freshness, c.Age = freshness.String(), time.Since(since).Seconds()
	}
	for _, p := range s.Places {
		place := Place{Name: p.Name, Instances: p.Instances, WatchStatus: watchStatus(p.Status)}
		if !p.Answered.IsZero() {
			freshness, _ := p.Freshness(time.Now(), maxStale)
			place.Freshness, place.Age = freshness.String(), time.Since(p.Answered).Seconds()
		}
		c.Places = append(c.Places, place)
	}
	return c
}

// missing counts the instances that the last answer lacks.
func missing(s discovery.Snapshot) (n int) {
	for _, i := range s.Instances {
		if i.Declared.Status == health.Missing {
			n++
		}
	}
	return n
}

// counted is what metrics are made of: of several places the sum. service is
// what the only one is called.
func (u *upstream) counted(s discovery.Status, service string) *telemetry.Catalog {
	c := &telemetry.Catalog{Index: s.Index, Missing: missing(u.current()), Failures: make(map[string]int64)}
	if !s.Answered.IsZero() {
		c.Age = time.Since(s.Answered)
	}
	add := func(s discovery.Status) {
		c.Answers += s.Answers
		c.Resets += s.Resets
		c.Confirmed += s.Confirmed
		c.Rejected += s.Rejected
		c.Suspected += s.Confirmed + s.Rejected
		if s.Suspicion != nil {
			c.Suspected++
		}
		for class, n := range s.Failures {
			c.Failures[class] += n
		}
	}
	if len(s.Places) == 0 {
		add(s)
		c.Watches = watched(c.Watches, service, s)
	}
	for _, p := range s.Places {
		add(p.Status)
		c.Watches = watched(c.Watches, p.Name, p.Status)
	}
	return c
}

// watched adds a watch. One that has not had the time to answer nor to fail has
// no age yet.
func watched(all []telemetry.Watch, service string, s discovery.Status) []telemetry.Watch {
	since := s.Answered
	if since.IsZero() {
		since = s.Since
	}
	if since.IsZero() {
		return all
	}
	return append(all, telemetry.Watch{Service: service, Age: time.Since(since)})
}

// found tells of each instance in force where it is and what its checks say.
func (u *upstream) found() map[string]found {
	u.mu.Lock()
	watch, snapshot := u.watch, u.snapshot
	u.mu.Unlock()
	var places []discovery.PlaceStatus
	if watch != nil {
		places = watch.Status().Places
	}
	all := make(map[string]found, len(snapshot.Instances))
	for _, i := range snapshot.Instances {
		f := found{checks: checksOf(i.Checks)}
		if i.Place < len(places) {
			f.place = places[i.Place].Name
		}
		all[i.ID] = f
	}
	return all
}

// found is what a catalog tells people of an instance.
type found struct {
	place  string
	checks []BackendCheck
}

// BackendCheck is one check of the catalog's.
type BackendCheck struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	Output  string `json:"output"`
	Node    bool   `json:"node"`    // of the node, and so of all that is on it
	Ignored bool   `json:"ignored"` // has no say, as the configuration wants
}

func checksOf(checks []discovery.Check) (out []BackendCheck) {
	for _, c := range checks {
		out = append(out, BackendCheck(c))
	}
	return out
}
