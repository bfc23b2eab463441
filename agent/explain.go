package agent

import (
	"fmt"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// status is the upstream's row.
func (u *upstream) status() (UpstreamStatus, rates) {
	u.mu.Lock()
	c, zone, watch, at := u.config, u.placement.Zone, u.watch, u.listener.at()
	u.mu.Unlock()
	servers, stats := u.balancer.AllStats(), u.balancer.Stats()
	r := u.window.rates(read(u.meter, servers, stats))
	s := UpstreamStatus{
		Name: u.name, Listen: at, Protocol: c.Protocol, Strategy: u.balancer.Strategy().Name(), Zone: zone,
		Ready: stats.Usable > 0, Backends: states(servers), Usable: stats.Usable, Panic: stats.Panic,
		Active: u.meter.Active.Load(), PerSecond: r.PerSecond, ErrorShare: r.ErrorShare,
		P50: r.P50.Seconds(), P99: r.P99.Seconds(), Retries: u.meter.Retries.Load(),
		Queue: queueStatus(c.Limits.MaxQueue, stats), Shadow: shadowStatus(stats.Shadow, r.imbalance),
	}
	if watch != nil {
		s.Catalog = u.catalog(c.Consul.Name, watch)
	}
	s.Reason = u.unready(stats, s.Catalog)
	return s, r
}

// queueStatus is nil where there is no queue, and none was used.
func queueStatus(limit int, s lb.Stats) *QueueStatus {
	if limit == 0 && s.Queued == 0 {
		return nil
	}
	return &QueueStatus{Length: limit, Waiting: s.Waiting, Queued: s.Queued, GaveUp: s.GaveUp, Refused: s.Refused}
}

// shadowStatus is nil without a shadow strategy.
func shadowStatus(s lb.ShadowStats, i Imbalance) *ShadowStatus {
	if s.Strategy == "" {
		return nil
	}
	status := &ShadowStatus{Strategy: s.Strategy, Picks: s.Picks, Unplaced: s.Unplaced, Imbalance: i}
	if s.Picks > 0 {
		status.AgreedShare = float64(s.Agreed) / float64(s.Picks)
	}
	return status
}

// unready tells why there is no usable backend, "" if there is one.
func (u *upstream) unready(stats lb.Stats, catalog *CatalogStatus) string {
	switch {
	case stats.Usable > 0:
		return ""
	case catalog != nil && catalog.Freshness == "waiting" && catalog.Error != "":
		return "no answer from Consul yet: " + catalog.Error
	case catalog != nil && catalog.Freshness == "waiting":
		return "no answer from Consul yet"
	case stats.Servers == 0 && catalog != nil:
		return fmt.Sprintf("Consul knows no instance of %q", catalog.Service)
	case stats.Panic: // with nobody usable
		return fmt.Sprintf("only %d of %d backends are up, too few for panic = \"fail_closed\"", stats.Healthy, stats.Servers)
	}
	return fmt.Sprintf("none of %d backends is usable", stats.Servers)
}

func (u *upstream) catalog(service string, watch *discovery.Subscription) *CatalogStatus {
	s, snapshot := watch.Status(), u.current()
	c := &CatalogStatus{
		Service: service, Freshness: "waiting", Index: snapshot.Index, Since: s.Since,
		Skipped: snapshot.Skipped, Notes: snapshot.Notes,
	}
	if !snapshot.At.IsZero() {
		freshness, since, _ := u.freshness(watch)
		c.Freshness, c.Age = freshness.String(), time.Since(since).Seconds()
	}
	if s.Err != nil {
		c.Error = s.Err.Error()
	}
	return c
}

func (u *upstream) explain() Explanation {
	status, rates := u.status()
	servers := u.balancer.Explain()
	e := Explanation{UpstreamStatus: status, Merge: u.algebra(), Backends: make([]Backend, len(servers))}
	for i, s := range servers {
		key := serverKey(s.Server)
		e.Backends[i] = backendOf(s.ServerStats, rates.shares[key], rates.shadowShares[key])
		e.Backends[i].explain(s)
	}
	return e
}

// measured is what metrics are made of.
func (u *upstream) measured() telemetry.Upstream {
	u.mu.Lock()
	protocol, watch := u.config.Protocol, u.watch
	u.mu.Unlock()
	m := telemetry.Upstream{
		Name: u.name, Strategy: u.balancer.Strategy().Name(), Protocol: protocol,
		Meter: u.meter, Stats: u.balancer.Stats(), Servers: u.balancer.AllStats(),
	}
	if m.Stats.Shadow.Strategy != "" {
		m.Imbalance = telemetry.Imbalance(u.window.rates(read(u.meter, m.Servers, m.Stats)).imbalance)
	}
	if watch != nil {
		s := watch.Status()
		m.Catalog = &telemetry.Catalog{Index: s.Index, Answers: s.Answers, Failures: s.Failures}
		if !s.Answered.IsZero() {
			m.Catalog.Age = time.Since(s.Answered)
		}
	}
	return m
}
