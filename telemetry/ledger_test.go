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
	type server struct{ requests, failures, active int64 }
	servers := make(map[int]*server)
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
				s.failures = min(s.failures+random.Int64N(2), s.requests) // so that ok = requests-active-failures dips
			}
		}
		u := Upstream{Name: "web", Strategy: "random", Protocol: "http"}
		for i := range backendLimit * 3 / 2 {
			if s := servers[i]; s != nil {
				u.Servers = append(u.Servers, serverStats(fmt.Sprintf("s%03d", i), "", health.Up, s.requests, s.failures, s.active))
			}
		}
		all := rig.with(u).collect(t)
		for _, name := range []string{backendRequests, backendRequestTime, picks, ejections} {
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
