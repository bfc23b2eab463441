package telemetry

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func serverStats(id, zone string, state health.State, requests, failures, active int64) lb.ServerStats {
	return lb.ServerStats{
		Server:  &lb.Server{ID: id, Address: id + ":80", Zone: zone},
		Verdict: health.Verdict{State: state, Weight: 2}, Requests: requests, Failures: failures, Active: active,
		Busy: 1500 * time.Millisecond, MeanResponseTime: 20 * time.Millisecond,
		Place: lb.Place{Share: 0.25}, Shadow: lb.ServerShadow{Requests: 2 * requests},
	}
}

// everything is a source's answer in which nothing is missing.
func everything() []Upstream {
	web, db := new(proxy.Meter), new(proxy.Meter)
	web.Backends.Store(5)
	web.Denied.Store(2)
	web.Hedges.Store(7)
	web.HedgesWon.Store(3)
	web.Connections.Store(4)
	web.Waits.Store(1)
	web.Concurrency.Store(40)
	web.Circuit.Store(int64(proxy.CircuitHalfOpen))
	for _, m := range []*proxy.Meter{db} {
		m.Requests.Store(10)
		m.Active.Store(3)
		m.Sent.Store(100)
		m.Received.Store(200)
	}
	ejected := serverStats("b", "", health.Ejected, 4, 4, 0)
	ejected.Ejections, ejected.Dampings = 1, 2
	return []Upstream{{
		Name: "web", Strategy: "random", Protocol: "http", Meter: web, Breaker: true, Stats: lb.Stats{
			Active: 2, Panicked: 3, CrossZone: 2, Waiting: 1, Queued: 9, GaveUp: 3, Refused: 4,
			Shadow: lb.ShadowStats{Strategy: "first", Picks: 14, Agreed: 8, Unplaced: 1},
		},
		Imbalance: Imbalance{Picks: 1.5, ShadowPicks: 1.25, Load: 2, ShadowLoad: 1.75},
		Servers:   []lb.ServerStats{serverStats("a", "z1", health.Up, 10, 1, 2), ejected},
		Catalog: &Catalog{
			Index: 42, Age: 3 * time.Second, Answers: 7, Failures: map[string]int64{"timeout": 2},
			Missing: 4, Resets: 1, Suspected: 6, Confirmed: 2, Rejected: 3,
			Watches: []Watch{{"web", 3 * time.Second}, {"web in dc2", 4 * time.Second}},
		},
	}, {
		Name: "db", Strategy: "round_robin", Protocol: "tcp", Meter: db,
		Servers: []lb.ServerStats{serverStats("d", "z1", health.Up, 10, 0, 3)},
	}}
}

func TestCollect(t *testing.T) {
	rig := newRig(t, trusting())
	taken, few := time.Unix(1700000000, 5e8), new(proxy.Descriptors)
	few.Waits.Store(5)
	few.Refused.Store(6)
	rig.source.state.Store(&AgentState{LastReload: taken, ProbesLate: 250 * time.Millisecond, ProbesSkipped: 9, AccessLog: &AccessLog{Written: 6, Dropped: 2, Failed: 1}, Descriptors: few})
	o := rig.Observer("web", nil)
	carry(o, request("GET", "http://web.local/"), good)
	open := o.Begin(request("POST", "http://web.local/"))
	try := open.Attempt(attempted(request("POST", "http://web.local/")), backendA, 1, "reset")
	for _, e := range []Event{
		BackendChanged{Upstream: "web", To: health.Verdict{State: health.Up}},
		BackendChanged{Upstream: "web", To: health.Verdict{State: health.Draining, Rule: 2}},
		FreshnessChanged{Upstream: "web", Freshness: health.Stale},
		CircuitChanged{Upstream: "web", To: proxy.CircuitOpen}, CircuitChanged{Upstream: "web", To: proxy.CircuitHalfOpen},
		WatchChanged{Service: "web", State: WatchFails}, WatchChanged{Service: "web", State: WatchFails},
		ConfigReloaded{}, ConfigReloaded{Err: errors.New("bad")}, ConfigReloaded{},
	} {
		rig.Tell(LevelInfo, "told", e)
	}
	rig.spans.GetSpans() // waits until they are exported
	all := rig.with(everything()...).collect(t)
	for name, want := range map[string]map[string]float64{
		httpServerActive: {
			"url.scheme=http,http.request.method=GET,outrigger.upstream.name=web":  0,
			"url.scheme=http,http.request.method=POST,outrigger.upstream.name=web": 1,
		},
		httpClientActive: {
			"server.address=web,http.request.method=GET,outrigger.upstream.name=web":  0,
			"server.address=web,http.request.method=POST,outrigger.upstream.name=web": 1,
		},
		httpClientConnections: {
			"server.address=web,http.connection.state=active,outrigger.upstream.name=web": 2,
			"server.address=web,http.connection.state=idle,outrigger.upstream.name=web":   3,
		},
		tcpActive:      {"outrigger.upstream.name=db": 3},
		tcpConnections: {"outrigger.upstream.name=db": 10},
		tcpIO: {
			"network.io.direction=transmit,outrigger.upstream.name=db": 100,
			"network.io.direction=receive,outrigger.upstream.name=db":  200,
		},
		backendCount: {
			"state=healthy,outrigger.backend.zone=z1,outrigger.upstream.name=web":   1,
			"state=unhealthy,outrigger.backend.zone=z1,outrigger.upstream.name=web": 0,
			"state=ejected,outrigger.backend.zone=z1,outrigger.upstream.name=web":   0,
			"state=draining,outrigger.backend.zone=z1,outrigger.upstream.name=web":  0,
			"state=warming,outrigger.backend.zone=z1,outrigger.upstream.name=web":   0,
			"state=healthy,outrigger.upstream.name=web":                             0,
			"state=unhealthy,outrigger.upstream.name=web":                           0,
			"state=ejected,outrigger.upstream.name=web":                             1,
			"state=draining,outrigger.upstream.name=web":                            0,
			"state=warming,outrigger.upstream.name=web":                             0,
			"state=healthy,outrigger.backend.zone=z1,outrigger.upstream.name=db":    1,
			"state=unhealthy,outrigger.backend.zone=z1,outrigger.upstream.name=db":  0,
			"state=ejected,outrigger.backend.zone=z1,outrigger.upstream.name=db":    0,
			"state=draining,outrigger.backend.zone=z1,outrigger.upstream.name=db":   0,
			"state=warming,outrigger.backend.zone=z1,outrigger.upstream.name=db":    0,
		},
		backendRequests: {
			"outcome=ok,outrigger.backend.id=a,outrigger.backend.zone=z1,outrigger.upstream.name=web":     7,
			"outcome=failed,outrigger.backend.id=a,outrigger.backend.zone=z1,outrigger.upstream.name=web": 1,
			"outcome=ok,outrigger.backend.id=b,outrigger.upstream.name=web":                               0,
			"outcome=failed,outrigger.backend.id=b,outrigger.upstream.name=web":                           4,
			"outcome=ok,outrigger.backend.id=d,outrigger.backend.zone=z1,outrigger.upstream.name=db":      7,
			"outcome=failed,outrigger.backend.id=d,outrigger.backend.zone=z1,outrigger.upstream.name=db":  0,
		},
		picks: {
			"result=ok,strategy=random,outrigger.upstream.name=web":             9,
			"result=panic,strategy=random,outrigger.upstream.name=web":          3,
			"result=cross_zone,strategy=random,outrigger.upstream.name=web":     2,
			"result=none,strategy=random,outrigger.upstream.name=web":           0,
			"result=ok,strategy=round_robin,outrigger.upstream.name=db":         10,
			"result=panic,strategy=round_robin,outrigger.upstream.name=db":      0,
			"result=cross_zone,strategy=round_robin,outrigger.upstream.name=db": 0,
			"result=none,strategy=round_robin,outrigger.upstream.name=db":       0,
		},
		shadowPicks: {
			"agreed=true,strategy=first,outrigger.upstream.name=web":  8,
			"agreed=false,strategy=first,outrigger.upstream.name=web": 5,
			"agreed=none,strategy=first,outrigger.upstream.name=web":  1,
		},
		shadowImbalance: {
			"type=picks,strategy=random,outrigger.upstream.name=web": 1.5,
			"type=load,strategy=random,outrigger.upstream.name=web":  2,
			"type=picks,strategy=first,outrigger.upstream.name=web":  1.25,
			"type=load,strategy=first,outrigger.upstream.name=web":   1.75,
		},
		backendShadowRequests: {
			"outrigger.backend.id=a,outrigger.backend.zone=z1,outrigger.upstream.name=web": 20,
			"outrigger.backend.id=b,outrigger.upstream.name=web":                           8,
		},
		queueWaiting: {"outrigger.upstream.name=web": 1, "outrigger.upstream.name=db": 0},
		queueRequests: {
			"result=placed,outrigger.upstream.name=web":  5,
			"result=gave_up,outrigger.upstream.name=web": 3,
			"result=refused,outrigger.upstream.name=web": 4,
			"result=placed,outrigger.upstream.name=db":   0,
			"result=gave_up,outrigger.upstream.name=db":  0,
			"result=refused,outrigger.upstream.name=db":  0,
		},
		retries:          {"reason=reset,outrigger.upstream.name=web": 1},
		retryDenials:     {"reason=budget,outrigger.upstream.name=web": 2, "reason=budget,outrigger.upstream.name=db": 0},
		hedges:           {"result=begun,outrigger.upstream.name=web": 7, "result=won,outrigger.upstream.name=web": 3},
		appConnections:   {"outrigger.upstream.name=web": 4, "outrigger.upstream.name=db": 0},
		connectionWaits:  {"outrigger.upstream.name=web": 1, "outrigger.upstream.name=db": 0},
		concurrencyLimit: {"outrigger.upstream.name=web": 40},
		rejections: {
			"reason=request_limit,outrigger.upstream.name=web": 0, "reason=concurrency_limit,outrigger.upstream.name=web": 0,
			"reason=rate_limited,outrigger.upstream.name=web": 0, "reason=memory_short,outrigger.upstream.name=web": 0,
			"reason=no_descriptor,outrigger.upstream.name=web": 0,
		},
		circuitState: {
			"state=closed,outrigger.upstream.name=web": 0, "state=half_open,outrigger.upstream.name=web": 1, "state=open,outrigger.upstream.name=web": 0,
		},
		circuitRejections: {"outrigger.upstream.name=web": 0},
		circuitChanges: {
			"state=closed,outrigger.upstream.name=web": 0, "state=half_open,outrigger.upstream.name=web": 1, "state=open,outrigger.upstream.name=web": 1,
		},
		descriptorWaits:    {"": 5},
		descriptorRefusals: {"": 6},
		ejections: {
			"reason=consecutive_failures,outrigger.upstream.name=web": 1, "reason=consecutive_failures,outrigger.upstream.name=db": 0,
			"reason=flapping,outrigger.upstream.name=web": 2, "reason=flapping,outrigger.upstream.name=db": 0,
		},
		discoveryIndex:     {"outrigger.upstream.name=web": 42},
		discoveryStaleness: {"outrigger.upstream.name=web": 3},
		discoveryUpdates:   {"result=ok,outrigger.upstream.name=web": 7, "result=failed,outrigger.upstream.name=web": 2},
		discoveryErrors:    {"error.type=timeout,outrigger.upstream.name=web": 2},
		discoveryMissing:   {"outrigger.upstream.name=web": 4},
		discoveryResets:    {"outrigger.upstream.name=web": 1},
		discoverySuspicions: {
			"result=begun,outrigger.upstream.name=web":     6,
			"result=confirmed,outrigger.upstream.name=web": 2,
			"result=rejected,outrigger.upstream.name=web":  3,
		},
		discoveryFreshness: {
			"state=stale,outrigger.upstream.name=web": 1, "state=fresh,outrigger.upstream.name=web": 0, "state=expired,outrigger.upstream.name=web": 0,
		},
		backendChanges: {
			"state=healthy,outrigger.upstream.name=web": 1, "state=removed,outrigger.upstream.name=web": 1,
			"state=unhealthy,outrigger.upstream.name=web": 0, "state=ejected,outrigger.upstream.name=web": 0,
			"state=draining,outrigger.upstream.name=web": 0, "state=warming,outrigger.upstream.name=web": 0,
			"state=healthy,outrigger.upstream.name=db": 0, "state=removed,outrigger.upstream.name=db": 0,
			"state=unhealthy,outrigger.upstream.name=db": 0, "state=ejected,outrigger.upstream.name=db": 0,
			"state=draining,outrigger.upstream.name=db": 0, "state=warming,outrigger.upstream.name=db": 0,
		},
		discoveryWatches: {
			"state=answers,outrigger.discovery.service=web": 0, "state=fails,outrigger.discovery.service=web": 2,
			"state=doubted,outrigger.discovery.service=web": 0, "state=confirmed,outrigger.discovery.service=web": 0,
			"state=rejected,outrigger.discovery.service=web": 0, "state=reset,outrigger.discovery.service=web": 0,
			"state=hidden,outrigger.discovery.service=web": 0,
		},
		discoveryWatchAge: {
			"outrigger.upstream.name=web,outrigger.discovery.service=web": 3, "outrigger.upstream.name=web,outrigger.discovery.service=web in dc2": 4,
		},
		discoveryChanges:   {"outrigger.upstream.name=web": 0},
		discoveryHolds:     {"state=on,outrigger.upstream.name=web": 0, "state=off,outrigger.upstream.name=web": 0},
		configReloads:      {"result=ok": 2, "result=failed": 1},
		configLastSuccess:  {"": 1700000000.5},
		healthCheckLate:    {"": .25},
		healthCheckSkipped: {"": 9},
		accessLogLines:     {"result=written": 6, "result=dropped": 2, "result=failed": 1},
		telemetrySpans:     {"result=ended": 2, "result=exported": 2, "result=failed": 0, "result=dropped": 0},
		telemetryRecords:   {"result=emitted": 10, "result=exported": 10, "result=failed": 0, "result=dropped": 0},
		telemetryErrors:    {"signal=traces": 0, "signal=metrics": 0, "signal=logs": 0},
	} {
		got := sums(t, all, name)
		if len(got) != len(want) {
			t.Errorf("%s: %d series, not %d: %v", name, len(got), len(want), got)
		}
		for series, v := range want {
			if n, ok := got[series]; !ok || math.Abs(n-v) > 1e-9 {
				t.Errorf("%s{%s} is %v (there: %v), not %v", name, series, n, ok, v)
			}
		}
	}
	for name, want := range map[string]float64{backendRequestTime: 1.5, backendLatency: .02, backendWeight: 2, backendActive: 2, backendShare: .25} {
		if got := sums(t, all, name)["outrigger.backend.id=a,outrigger.backend.zone=z1,outrigger.upstream.name=web"]; got != want {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
	}
	try.End(good)
	open.End(good)
}

func TestTCPFailures(t *testing.T) {
	rig := newRig(t, trusting())
	_, serve := tcpProxy(t)
	meter := serve(t)
	got := sums(t, rig.with(Upstream{Name: "db", Strategy: "random", Protocol: "tcp", Meter: meter}).collect(t), tcpConnections)
	if got["outrigger.upstream.name=db"] != 0 || got["error.type=no_backend,outrigger.upstream.name=db"] != 1 {
		t.Errorf("%v", got)
	}
	if got := sums(t, rig.collect(t), picks); got["result=none,strategy=random,outrigger.upstream.name=db"] != 1 {
		t.Errorf("%v", got)
	}
}

// Removed backends and upstreams leave no series.
func TestRemovedBackendsVanish(t *testing.T) {
	rig := newRig(t, trusting())
	one := func(ids ...string) Upstream {
		u := Upstream{Name: "web", Protocol: "http"}
		for _, id := range ids {
			u.Servers = append(u.Servers, serverStats(id, "", health.Up, 5, 0, 0))
		}
		return u
	}
	rig.Tell(LevelInfo, "told", BackendChanged{Upstream: "gone"})
	rig.Tell(LevelInfo, "told", BackendChanged{Upstream: "early"}) // before it is there
	rig.with(one("a", "b"), Upstream{Name: "gone", Servers: one("x").Servers}).collect(t)
	all := rig.with(one("b")).collect(t)
	for name, m := range all {
		if strings.HasPrefix(name, "go.") {
			continue
		}
		for series := range sums(t, map[string]metricdata.Metrics{name: m}, name) {
			if strings.Contains(series, "backend.id=a") || strings.Contains(series, "name=gone") {
				t.Errorf("%s{%s} is still there", name, series)
			}
		}
	}
	back := sums(t, rig.with(Upstream{Name: "gone"}, Upstream{Name: "early"}).collect(t), backendChanges)
	if back["state=warming,outrigger.upstream.name=gone"] != 0 || back["state=warming,outrigger.upstream.name=early"] != 1 {
		t.Errorf("%v", back)
	}
	if len(sums(t, all, backendWeight)) != 1 {
		t.Errorf("%v", sums(t, all, backendWeight))
	}
}

func TestManyBackends(t *testing.T) {
	rig := newRig(t, trusting())
	u := Upstream{Name: "web", Protocol: "http"}
	for i := range backendLimit + 50 {
		u.Servers = append(u.Servers, serverStats(fmt.Sprintf("s%04d", i), fmt.Sprint("z", i), health.Up, 5, 1, 1))
	}
	all := rig.with(u).collect(t)
	got := sums(t, all, backendRequests)
	if len(got) != 2*(backendLimit+1) {
		t.Errorf("%d series", len(got))
	}
	if n := got["outcome=ok,outrigger.backend.id=_other,outrigger.upstream.name=web"]; n != 3*50 {
		t.Errorf("the others have %v requests", n)
	}
	if n := sums(t, all, backendWeight)["outrigger.backend.id=_other,outrigger.upstream.name=web"]; n != 2*50 {
		t.Errorf("the others have a weight of %v", n)
	}
	if n := sums(t, all, backendShare)["outrigger.backend.id=_other,outrigger.upstream.name=web"]; n != 50*.25 {
		t.Errorf("the others have a share of %v", n)
	}
	if n := len(sums(t, all, backendLatency)); n != backendLimit {
		t.Errorf("%d latencies: the others have none in common", n)
	}
	if n := sums(t, all, backendCount)["state=healthy,outrigger.backend.zone=_other,outrigger.upstream.name=web"]; n != 50 {
		t.Errorf("%v healthy others", n)
	}

	// The limit is each upstream's own: the SDK's must not come before it.
	var several []Upstream
	for i := range 5 {
		u.Name = fmt.Sprint("web", i)
		several = append(several, u)
	}
	if n := len(sums(t, rig.with(several...).collect(t), backendRequests)); n != 5*2*(backendLimit+1) {
		t.Errorf("%d series of 5 upstreams", n)
	}
}
