package lb

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// ServerStats is what there is to know of one server at one moment.
type ServerStats struct {
	Server  *Server // must not be changed
	Verdict health.Verdict
	Reason  string    // why that is the verdict, for people
	Since   time.Time // of the verdict's state
	Place   Place     // where it stands among those that can be picked

	Active           int64         // leases not yet released
	Requests         int64         // leases given
	Failures         int64         // leases that failed
	ResponseTime     time.Duration // of the last answer; 0 before the first
	MeanResponseTime time.Duration // smoothed over some 10 s; 0 before the first answer
	Busy             time.Duration // the sum of all response times

	Shadow ServerShadow // what the shadow strategy would have done with it

	AgainstSince time.Time     // since when the catalog speaks against it; zero while it does not
	Probe        health.Result // the last probe; its Status is in force
	Probed       time.Time     // when that was; zero before the first
	Skipped      int64         // probes not made, since requests had proved the same
	Ejections    int64
	EjectedUntil time.Time // zero while it is not ejected
	Penalty      float64   // for flapping, see health.Damping
	Dampings     int64     // how often it was kept out for that
	DampedUntil  time.Time // zero while it is not
}

// Usable tells that the server can be picked; in a panic it may be without
// being up.
func (s ServerStats) Usable() bool { return s.Place.Tier > 0 }

// Stats is a balancer's sum over its servers at one moment. Requests and
// Failures include those of servers that were removed and are still known.
type Stats struct {
	Servers  int // known
	Healthy  int // up
	Usable   int // that can be picked; in a panic more than Healthy
	Panic    bool
	Active   int64
	Requests int64
	Failures int64

	// Of all leases ever given: those given in a panic, and of the others those
	// on servers outside Placement.Zone.
	Panicked, CrossZone int64

	Waiting int   // callers of Acquire in the queue
	Queued  int64 // that ever were
	GaveUp  int64 // of those, without a place
	Refused int64 // callers that found the queue full

	Shadow ShadowStats
}

// ServerStats returns the numbers of one server.
func (b *Balancer) ServerStats(id string) (ServerStats, bool) {
	b.refresh()
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.members[id]
	if !ok {
		return ServerStats{}, false
	}
	return b.statsOf(m), true
}

// AllStats returns the numbers of every server, sorted by ID; after those in
// the balancer come the ones removed not long ago or still in use.
func (b *Balancer) AllStats() []ServerStats {
	b.refresh()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]ServerStats, 0, len(b.members)+len(b.leaving))
	for _, m := range b.known(b.clock.now()) {
		all = append(all, b.statsOf(m))
	}
	return all
}

// known lists the members sorted by ID, and after them those that left.
func (b *Balancer) known(now time.Time) []*member {
	b.forgetLeft(now)
	return append(slices.SortedFunc(maps.Values(b.members), byID), slices.SortedStableFunc(slices.Values(b.leaving), byID)...)
}

// Stats returns the sums.
func (b *Balancer) Stats() Stats {
	b.refresh()
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.pool.Load()
	s := Stats{Servers: len(b.members), Usable: p.usable, Panic: p.panic, Shadow: b.shadowCount.stats(b.shadow)}
	b.queue.stats(&s)
	b.makeshift.stats(&s)
	count := func(m *member) {
		s.Active += m.load.out()
		s.Requests += m.load.requests()
		s.Failures += m.times.failures.Load()
	}
	for _, m := range b.members {
		count(m)
		if m.verdict.State == health.Up {
			s.Healthy++
		}
	}
	for _, m := range b.leaving {
		count(m)
	}
	return s
}

func byID(x, y *member) int { return cmp.Compare(x.spec.ID, y.spec.ID) }

// statsOf reads one member; the caller holds mu.
func (b *Balancer) statsOf(m *member) ServerStats {
	return ServerStats{
		Server:           m.spec,
		Verdict:          m.verdict,
		Reason:           m.reason(m.evidence(b.freshness, b.clock.now())),
		Since:            m.since,
		Place:            m.place,
		Active:           m.load.out(),
		Requests:         m.load.requests(),
		Failures:         m.times.failures.Load(),
		ResponseTime:     time.Duration(m.times.last.Load()),
		MeanResponseTime: m.times.smoothed.load(),
		Busy:             time.Duration(m.times.busy.Load()),
		Shadow:           m.shadow.stats(),
		AgainstSince:     m.against,
		Probe:            m.probe,
		Probed:           m.probed,
		Skipped:          m.skipped,
		Ejections:        m.outlier.total,
		EjectedUntil:     m.outlier.until,
		Penalty:          m.flaps.Penalty(b.health.Damping, b.clock.now()),
		Dampings:         m.flaps.total,
		DampedUntil:      m.flaps.Until(),
	}
}
