package agent

import (
	"cmp"
	"fmt"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// status is the upstream's row.
func (u *upstream) status() (UpstreamStatus, rates) {
	u.mu.Lock()
	c, zone, at := u.config, u.placement.Zone, u.listener.at()
	u.mu.Unlock()
	servers, stats := u.balancer.AllStats(), u.balancer.Stats()
	r := u.window.rates(read(u.meter, servers, stats))
	s := UpstreamStatus{
		Name: u.name, Listen: at, Protocol: c.Protocol, Strategy: u.balancer.Strategy().Name(), Zone: zone,
		Ready: stats.Usable > 0, Backends: states(servers), Usable: stats.Usable, Panic: stats.Panic,
		Active: u.meter.Active.Load(), PerSecond: r.PerSecond, ErrorShare: r.ErrorShare,
		P50: r.P50.Seconds(), P99: r.P99.Seconds(), Retries: u.meter.Retries.Load(), Hedges: hedgesStatus(c, u.meter), Limits: limitsStatus(c, u.meter),
		Queue: queueStatus(c.Limits.MaxQueue, stats), Shadow: shadowStatus(stats.Shadow, r.imbalance), TLS: u.tlsStatus(c.TLS),
	}
	if c.Consul != nil {
		s.Catalog = u.catalog(*c.Consul)
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
		return fmt.Sprintf("Consul knows no instance of %q", cmp.Or(catalog.Service, catalog.Query))
	case stats.Panic: // with nobody usable
		return fmt.Sprintf("only %d of %d backends are up, too few for panic = \"fail_closed\"", stats.Healthy, stats.Servers)
	}
	return fmt.Sprintf("none of %d backends is usable", stats.Servers)
}

func (u *upstream) explain() Explanation {
	status, rates := u.status()
	servers, told, insecure := u.balancer.Explain(), u.found(), u.tlsFailures()
	e := Explanation{UpstreamStatus: status, Merge: u.algebra(), Backends: make([]Backend, len(servers))}
	for i, s := range servers {
		key := keyOf(s.Server)
		b := backendOf(s.ServerStats, rates.shares[key], rates.shadowShares[key])
		b.explain(s)
		b.Place, b.Catalog.Checks = told[b.ID].place, told[b.ID].checks
		b.TLS = insecure[b.Address]
		e.Backends[i] = b
	}
	return e
}

// measured is what metrics are made of.
func (u *upstream) measured() telemetry.Upstream {
	u.mu.Lock()
	protocol, watch, service, breaker := u.config.Protocol, u.watch, "", u.config.Limits.CircuitBreaker != nil
	if c := u.config.Consul; c != nil {
		service = cmp.Or(c.Name, u.plan.plan.Service)
	}
	u.mu.Unlock()
	m := telemetry.Upstream{
		Name: u.name, Strategy: u.balancer.Strategy().Name(), Protocol: protocol,
		Meter: u.meter, Stats: u.balancer.Stats(), Servers: u.balancer.AllStats(), Breaker: breaker,
	}
	if m.Stats.Shadow.Strategy != "" {
		m.Imbalance = telemetry.Imbalance(u.window.rates(read(u.meter, m.Servers, m.Stats)).imbalance)
	}
	if watch != nil {
		m.Catalog = u.counted(watch.Status(), service)
	}
	return m
}
