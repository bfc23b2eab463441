package telemetry

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// A counter that goes down reads as a restart. Whatever comes and goes, and
// however the numbers are caught in the middle of a change, none does.
func TestCountersOnlyGrow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	rig := newRig(t, trusting())
	type server struct{ requests, failures, active, shadow int64 }
	servers := make(map[int]*server)
	stats := lb.Stats{Shadow: lb.ShadowStats{Strategy: "first"}}
	last := make(map[string]map[string]float64)
	for round := range 40 {
		for i := range backendLimit * 3 / 2 {
			switch s := servers[i]; {
			case s == nil && random.IntN(4) == 0:
				servers[i] = new(server)
			case s != nil && random.IntN(20) == 0:
				delete(servers, i) // and comes back from 0
			case s != nil:
				s.requests += random.Int64N(5)
				s.active = min(random.Int64N(3), s.requests)
				s.shadow += random.Int64N(5)
				s.failures = min(s.failures+random.Int64N(2), s.requests) // so that ok = requests-active-failures dips
			}
		}
		shadow := &stats.Shadow
		agreed, unplaced, differed := random.Int64N(5), random.Int64N(2), random.Int64N(5)
		shadow.Agreed, shadow.Unplaced, shadow.Picks = shadow.Agreed+agreed, shadow.Unplaced+unplaced, shadow.Picks+agreed+unplaced+differed
		queued := random.Int64N(5)
		stats.Queued, stats.GaveUp, stats.Refused = stats.Queued+queued, stats.GaveUp+min(random.Int64N(2), queued), stats.Refused+random.Int64N(2)
		stats.Panicked, stats.CrossZone = stats.Panicked+random.Int64N(200), stats.CrossZone+random.Int64N(200) // at times more than are seen
		switch random.IntN(6) {
		case 0: // a shadow strategy is set
			*shadow = lb.ShadowStats{Strategy: []string{"first", "ip_hash"}[random.IntN(2)]}
			for _, s := range servers {
				s.shadow = 0
			}
		case 1: // the upstream's balancer is another one
			stats = lb.Stats{Shadow: lb.ShadowStats{Strategy: shadow.Strategy}}
		}
		u := Upstream{Name: "web", Strategy: "random", Protocol: "http", Stats: stats}
		for i := range backendLimit * 3 / 2 {
			if s := servers[i]; s != nil {
				u.Servers = append(u.Servers, serverStats(fmt.Sprintf("s%03d", i), "", health.Up, s.requests, s.failures, s.active))
				u.Servers[len(u.Servers)-1].Shadow.Requests = s.shadow
			}
		}
		all := rig.with(u).collect(t)
		for _, name := range []string{backendRequests, backendRequestTime, picks, ejections, backendShadowRequests, shadowPicks, queueRequests} {
			now := sums(t, all, name)
			for series, v := range now {
				if before, ok := last[name][series]; ok && v < before {
					t.Fatalf("round %d: %s{%s} went from %v to %v", round, name, series, before, v)
				}
			}
			last[name] = now
		}
	}
}

// A shadow strategy that comes back begins anew, and its counters go on.
func TestShadowThatComesBack(t *testing.T) {
	rig := newRig(t, trusting())
	for _, step := range []struct {
		strategy     string
		agreed, want float64
	}{{"first", 5, 5}, {"random", 3, 5}, {"", 0, 5}, {"first", 8, 13}, {"first", 2, 15}} {
		all := rig.with(Upstream{Name: "web", Stats: lb.Stats{
			Shadow: lb.ShadowStats{Strategy: step.strategy, Picks: int64(step.agreed), Agreed: int64(step.agreed)},
		}}).collect(t)
		if got := sums(t, all, shadowPicks)["agreed=true,strategy=first,outrigger.upstream.name=web"]; got != step.want {
			t.Errorf("%+v: %v", step, got)
		}
	}
}

// Each pick is one of the results, and none gets lost where the strategy
// changes, or the balancer.
func TestResultsOfPicks(t *testing.T) {
	rig := newRig(t, trusting())
	for i, step := range []struct {
		strategy                          string
		requests, panicked, crossZone     int64
		wantOK, wantPanicked, wantCrossed float64
	}{
		{"random", 10, 3, 2, 5, 3, 2},
		{"random", 12, 5, 2, 5, 5, 2},
		{"first", 20, 6, 5, 4, 1, 3},
		{"random", 21, 6, 5, 6, 5, 2},
		{"random", 4, 1, 0, 9, 6, 2}, // another balancer
	} {
		all := rig.with(Upstream{
			Name: "web", Strategy: step.strategy, Stats: lb.Stats{Panicked: step.panicked, CrossZone: step.crossZone},
			Servers: []lb.ServerStats{serverStats("a", "", health.Up, step.requests, 0, 0)},
		}).collect(t)
		for result, want := range map[string]float64{"ok": step.wantOK, "panic": step.wantPanicked, "cross_zone": step.wantCrossed} {
			if got := sums(t, all, picks)["result="+result+",strategy="+step.strategy+",outrigger.upstream.name=web"]; got != want {
				t.Errorf("step %d: %v %s, not %v", i, got, result, want)
			}
		}
	}
}

// A server that moved keeps its series, and both its addresses count in it.
func TestServerThatMoved(t *testing.T) {
	rig := newRig(t, trusting())
	at := func(address string, requests int64) lb.ServerStats {
		s := serverStats("a", "", health.Up, requests, 0, 0)
		s.Server.Address = address
		return s
	}
	value := func(servers ...lb.ServerStats) float64 {
		all := rig.with(Upstream{Name: "web", Strategy: "random", Servers: servers}).collect(t)
		return sums(t, all, backendRequests)["outcome=ok,outrigger.backend.id=a,outrigger.upstream.name=web"]
	}
	for i, step := range []struct{ got, want float64 }{
		{value(at("1", 10)), 10},
		{value(at("2", 3), at("1", 12)), 15}, // after those that serve come the ones removed
		{value(at("2", 5)), 17},
	} {
		if step.got != step.want {
			t.Errorf("step %d: %v, not %v", i, step.got, step.want)
		}
	}
	if got := sums(t, rig.collect(t), picks)["result=ok,strategy=random,outrigger.upstream.name=web"]; got != 17 {
		t.Errorf("%v picks", got)
	}
}

// A server that the balancer had forgotten begins anew, and so does an upstream
// that was gone.
func TestBeginningAnew(t *testing.T) {
	rig := newRig(t, trusting())
	web := func(requests int64) Upstream {
		return Upstream{Name: "web", Servers: []lb.ServerStats{serverStats("a", "", health.Up, requests, 0, 0)}}
	}
	const series = "outcome=ok,outrigger.backend.id=a,outrigger.upstream.name=web"
	for _, step := range []struct {
		upstreams []Upstream
		want      float64
	}{
		{[]Upstream{web(10)}, 10},
		{[]Upstream{web(4)}, 14},
		{[]Upstream{web(5)}, 15},
		{nil, 0},
		{[]Upstream{web(6)}, 6},
	} {
		if got := sums(t, rig.with(step.upstreams...).collect(t), backendRequests)[series]; got != step.want {
			t.Errorf("%v, not %v", got, step.want)
		}
	}
}

func TestAnotherMeter(t *testing.T) {
	rig := newRig(t, trusting())
	for _, n := range []int64{10, 4} { // the second is of an upstream that came back
		m := new(proxy.Meter)
		m.Requests.Store(n)
		got := sums(t, rig.with(Upstream{Name: "db", Protocol: "tcp", Meter: m}).collect(t), tcpConnections)
		if got["outrigger.upstream.name=db"] != float64(n) {
			t.Errorf("%v, not %d", got, n)
		}
	}
}
