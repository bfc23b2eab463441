package agent

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/rewrite"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/lb/probe"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// This file turns configuration into what the other rooms are made from, so
// that none of them needs to know it.

func consulConfig(c config.Consul) consul.Config {
	return consul.Config{
		Address: c.Address, Token: c.Token, TokenFile: c.TokenFile,
		Datacenter: c.Datacenter, Namespace: c.Namespace, Partition: c.Partition,
		Wait: c.Wait, TLS: consul.TLS(c.TLS),
	}
}

// queriesOf asks for a service at all its places, in order of preference.
func queriesOf(s config.Service) []consul.Query {
	first := consul.Query{
		Service: s.Name, Filter: consul.FilterOf(s.Tags, s.Filter),
		Datacenter: s.Datacenter, Peer: s.Peer, Namespace: s.Namespace, Partition: s.Partition,
		Near: s.Near, TaggedAddress: s.TaggedAddress, Ignore: consul.IgnoreOf(s.IgnoreChecks),
		ZoneFrom: strings.TrimPrefix(s.ZoneFrom, "locality"), PriorityFrom: s.PriorityFrom,
	}
	queries := []consul.Query{first}
	for _, f := range s.Failover {
		next := first
		if f.Datacenter != "" || f.Peer != "" {
			next.Datacenter, next.Peer, next.Near = f.Datacenter, f.Peer, "" // distances end at the cluster
		}
		next.Service = cmp.Or(f.Service, next.Service)
		next.Namespace = cmp.Or(f.Namespace, next.Namespace)
		next.Partition = cmp.Or(f.Partition, next.Partition)
		queries = append(queries, next)
	}
	return queries
}

// placeOf names what a query asks for, for people.
func placeOf(q consul.Query) string {
	name := q.Service
	for _, part := range []struct{ what, value string }{
		{" in ", q.Datacenter}, {" at peer ", q.Peer}, {" in namespace ", q.Namespace}, {" in partition ", q.Partition},
	} {
		if part.value != "" {
			name += part.what + part.value
		}
	}
	return name
}

// registrationOf is how an app is registered that runs on a host.
func registrationOf(s *config.Registration, host string) consul.Registration {
	r := consul.Registration{
		ID: s.ID, Name: s.Name, Address: s.Address, Port: s.Port, Tags: s.Tags, Metadata: s.Meta,
		Weights: consul.Weights(s.Weights), EnableTagOverride: s.EnableTagOverride, Region: s.Region, Zone: s.Zone,
		DeregisterAfter: s.DeregisterCriticalAfter,
	}
	if r.ID == "" { // the same over restarts, and hardly another's
		r.ID = strings.Map(plainRune, fmt.Sprintf("%s-%s-%d", s.Name, host, s.Port))
	}
	for _, c := range s.Checks {
		k := consul.Check{Header: c.Header, TLS: c.TLS, TTL: c.TTL, Interval: c.Interval, Timeout: c.Timeout}
		switch at := cmp.Or(c.Address, appAddress(s)); c.Type {
		case "http":
			k.HTTP = cmp.Or(c.URL, "http://"+at+c.Path)
		case "tcp":
			k.TCP = at
		case "grpc":
			k.GRPC = strings.TrimSuffix(at+"/"+c.Service, "/")
		}
		r.Checks = append(r.Checks, k)
	}
	return r
}

// appAddress is where this machine reaches the app.
func appAddress(s *config.Registration) string {
	return net.JoinHostPort(cmp.Or(s.Address, "127.0.0.1"), strconv.Itoa(s.Port))
}

// plainRune keeps what can stand in a path as it is.
func plainRune(r rune) rune {
	switch {
	case r == '-', r == '.', r == '_', '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		return r
	}
	return '-'
}

// beatOf is the check that the agent makes itself, nil where it makes none.
func beatOf(s *config.Registration) *beat {
	for _, c := range s.Checks {
		if c.Type == "ttl" {
			return &beat{
				prober: probe.TCP{}, target: health.Target{Address: cmp.Or(c.Address, appAddress(s))},
				interval: c.Interval, timeout: c.Timeout,
			}
		}
	}
	return nil
}

func telemetryConfig(c config.Config, build Build) telemetry.Config {
	return telemetry.Config{
		App: c.Agent.Name, Datacenter: c.Consul.Datacenter, Version: build.Version, Revision: build.Revision,
		Traces: telemetry.Traces{
			Exporter:    exporterOf(c.Telemetry.Traces.Exporter),
			SampleRatio: c.Telemetry.Traces.SampleRatio, TrustIncoming: c.Telemetry.Traces.TrustIncoming,
			Mode: c.Telemetry.Traces.Mode, SpanName: c.Telemetry.Traces.SpanName, TCP: c.Telemetry.Traces.TCP,
		},
		Metrics: telemetry.Metrics{
			Exporter: exporterOf(c.Telemetry.Metrics.Exporter),
			Interval: c.Telemetry.Metrics.Interval, Temporality: c.Telemetry.Metrics.Temporality,
			LatencyBuckets: c.Telemetry.Metrics.LatencyBuckets, BodySize: c.Telemetry.Metrics.BodySize, BackendLimit: c.Telemetry.Metrics.BackendLimit,
			ConnectionDuration: c.Telemetry.Metrics.ConnectionDuration,
		},
		Logs: telemetry.Logs{
			Exporter: exporterOf(c.Telemetry.Logs.Exporter),
			Level:    telemetry.LevelOf(c.Telemetry.Logs.Level),
		},
		ShutdownTimeout: c.Telemetry.ShutdownTimeout,
	}
}

func exporterOf(e config.Exporter) telemetry.Exporter {
	return telemetry.Exporter{
		Exporters: e.Exporters, Protocol: e.Protocol, Endpoint: e.Endpoint,
		Compression: e.Compression, Headers: e.Headers, Timeout: e.Timeout, TLS: telemetry.TLS(e.TLS),
	}
}

// healthOf is how the backends of an upstream with that TLS are judged. A probe
// of one is as secure as a request to it.
func healthOf(h config.Health, tls *secure.Client) lb.Health {
	handshake := handshakeOf(tls)
	return lb.Health{
		Check: checkOf(h.Check, handshake),
		Ejection: health.Ejection{
			Failures: h.Ejection.ConsecutiveFailures,
			Base:     h.Ejection.BaseTime,
			Max:      h.Ejection.MaxTime,
			MaxShare: float64(h.Ejection.MaxPercent) / 100,
		},
		Reach:  &health.Check{Name: sharedName("tcp", handshake), Prober: probe.TCP{Handshake: handshake}, Interval: reachInterval, Timeout: reachTimeout},
		Policy: policyOf(h), Damping: dampingOf(h.Damping),
	}
}

// A backend that could not be reached is tried often, so that it is back soon
// after it listens again: a connection costs next to nothing.
const (
	reachInterval = 500 * time.Millisecond
	reachTimeout  = time.Second
)

func checkOf(c *config.Check, handshake probe.Handshake) *health.Check {
	if c == nil {
		return nil
	}
	check := &health.Check{
		Name: sharedName(checkName(c), handshake), Interval: c.Interval, Timeout: c.Timeout, Rise: c.Rise, Fall: c.Fall, TrustTraffic: c.TrustTraffic,
	}
	switch c.Type {
	case "tcp":
		check.Prober = probe.TCP{Handshake: handshake}
	case "grpc":
		check.Prober = probe.GRPC{Service: c.Service, Handshake: handshake}
	default:
		check.Prober = probe.HTTP{Path: c.Path, Host: c.Host, Handshake: handshake, Expect: func(status int) bool {
			for _, r := range c.Status {
				if r.From <= status && status <= r.To {
					return true
				}
			}
			return false
		}}
	}
	return check
}

// proxyOptions are those that the configuration decides. Two upstreams for
// which they are equal can share a server over a reload.
func proxyOptions(u config.Upstream) proxy.Options {
	return proxy.Options{
		Upstream: u.Name,
		Backend:  proxy.Protocol(u.BackendProtocol),
		HashOn:   u.HashOn,
		Retry:    retryOf(u.Retry),
		Keeping: proxy.Keeping{
			Idle: u.Connections.Idle, Most: u.Connections.MaxIdle, Age: u.Connections.MaxAge, Warm: u.Connections.Warm,
		},
		Timeouts: proxy.Timeouts(u.Timeouts),
		Limits:   limitsOf(u.Limits),
		Sticky:   stickyOf(u.Sticky),
		Headers:  headersOf(u.Headers),
		Proxy:    proxy.Preface{Accept: u.AcceptProxy, Trusted: u.Trusted, Send: versionOf(u.SendProxy)},
		Removal:  proxy.Removal{Mode: proxy.RemovalMode(u.OnRemove), Grace: u.RemoveGrace},
	}
}

func retryOf(r config.Retry) proxy.Retry {
	retry := proxy.Retry{Max: r.Max, BudgetPercent: r.BudgetPercent, BudgetPerSecond: r.BudgetPerSecond}
	for _, a := range r.On {
		switch {
		case a.RetryAfter:
			retry.On.RetryAfter = true
		case a.GRPC > 0:
			retry.On.GRPC = append(retry.On.GRPC, a.GRPC)
		default:
			retry.On.Statuses = append(retry.On.Statuses, proxy.StatusRange(a.Status))
		}
	}
	if r.Hedge != nil {
		retry.Hedge = proxy.Hedge(*r.Hedge)
	}
	return retry
}

// versionOf the PROXY protocol: v1, v2 or "".
func versionOf(s string) int {
	version, _ := strconv.Atoi(strings.TrimPrefix(s, "v")) // 0 for ""
	return version
}

func stickyOf(s *config.Sticky) proxy.Sticky {
	if s == nil {
		return proxy.Sticky{}
	}
	return proxy.Sticky(*s)
}

func limitsOf(l config.Limits) proxy.Limits {
	limits := proxy.Limits{
		MaxRequests: l.MaxRequests, MaxConnections: l.MaxConnections,
		MaxHeaderBytes: l.MaxHeaderBytes, MaxHeaders: l.MaxHeaders, MaxRequestLine: l.MaxRequestLine,
	}
	if l.RateLimit != nil {
		limits.Rate = &proxy.RateLimit{PerSecond: l.RateLimit.RequestsPerSecond, Burst: l.RateLimit.Burst}
	}
	if l.CircuitBreaker != nil {
		breaker := proxy.Breaker(*l.CircuitBreaker)
		limits.Breaker = &breaker
	}
	if l.Adaptive != nil {
		adaptive := proxy.Adaptive(*l.Adaptive)
		limits.Adaptive = &adaptive
	}
	return limits
}

func headersOf(h config.Headers) proxy.Headers {
	return proxy.Headers{
		NoXForwarded: !h.XForwarded, NoVia: !h.Via, Forwarded: h.Forwarded, RequestID: h.RequestID,
		Trusted: append([]netip.Prefix{}, h.TrustedPeers...), // not nil, which has a meaning of its own
		Request: rewrite.Rules(h.Request), Response: rewrite.Rules(h.Response),
	}
}

// strategyOf makes a strategy of that name as the upstream wants it.
func strategyOf(name string, u config.Upstream) (lb.Strategy, error) {
	return lb.ByName(name, lb.BoundedLoad(u.HashBalance))
}

// shadowOf is nil where the upstream wants none.
func shadowOf(u config.Upstream) (lb.Strategy, error) {
	if u.ShadowStrategy == "" {
		return nil, nil
	}
	return strategyOf(u.ShadowStrategy, u)
}

func queueOf(l config.Limits) lb.Queue { return lb.Queue{Length: l.MaxQueue, Timeout: l.QueueTimeout} }

// placementOf is which backends an agent in a zone chooses among, as the
// client of subsets that it is.
func placementOf(u config.Upstream, zone, client string) lb.Placement {
	p := lb.Placement{
		SlowStart: lb.SlowStart{
			Window: u.SlowStart.Window, Aggression: u.SlowStart.Aggression, Least: float64(u.SlowStart.LeastPercent) / 100,
		},
		Subset: lb.Subset{Size: u.Subset.Size, Client: cmp.Or(u.Subset.Client, client)},
	}
	if u.PreferZone {
		p.Zone = zone
	}
	return p
}

// clientOf is what an agent is known by where it is not told: the same over
// restarts, and hardly another's.
func clientOf(app string) string {
	host, _ := os.Hostname() // without one the app has to do
	return app + "@" + host
}

// staticServers are those that the configuration lists.
func staticServers(u config.Upstream) []lb.Server {
	servers := make([]lb.Server, len(u.Servers))
	for i, s := range u.Servers {
		servers[i] = lb.Server{
			ID: s.Name, Address: s.Address, Weight: s.Weight, Zone: s.Zone, Priority: s.Priority,
			MaxConnections: limitOf(s.MaxConnections, u.Limits),
		}
	}
	return servers
}

func limitOf(own int, l config.Limits) int {
	if own > 0 {
		return own
	}
	return l.MaxRequestsPerServer
}
