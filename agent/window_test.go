package agent

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(proxy.Meter)
		servers := []lb.ServerStats{{Server: &lb.Server{ID: "a"}}, {Server: &lb.Server{ID: "b"}}}
		w := newWindow(read(m, servers, lb.Stats{}))
		if r := w.rates(read(m, servers, lb.Stats{})); r.PerSecond != 0 || r.ErrorShare != 0 || r.P99 != 0 || r.shares[serverKey{id: "a"}] != 0 {
			t.Errorf("at first: %+v", r)
		}
		tick := func(requests, errors int64, took time.Duration) {
			m.Requests.Add(requests)
			m.Errors.Add(errors)
			for range requests {
				m.Took.Add(took)
			}
			servers[0].Requests += requests / 4
			servers[1].Requests += requests * 3 / 4
			time.Sleep(windowStep)
			w.push(read(m, servers, lb.Stats{}))
		}
		for range 5 {
			tick(100, 10, 10*time.Millisecond)
		}
		r := w.rates(read(m, servers, lb.Stats{}))
		if r.PerSecond != 20 || r.ErrorShare != 0.1 || r.shares[serverKey{id: "a"}] != 0.25 || r.P50 < 10*time.Millisecond || r.P50 > 12*time.Millisecond {
			t.Errorf("after 25 s: %+v", r)
		}
		for range windowSteps { // what was before is out of sight
			tick(0, 0, 0)
		}
		if r := w.rates(read(m, servers, lb.Stats{})); r.PerSecond != 0 || r.P99 != 0 || r.shares[serverKey{id: "b"}] != 0 {
			t.Errorf("after a quiet minute: %+v", r)
		}
	})
}

// What a shadow strategy would have done is compared over the same minute, and
// only since it was set.
func TestWindowOfAShadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(proxy.Meter)
		servers := make([]lb.ServerStats, 3)
		for i, id := range []string{"a", "b", "gone"} {
			servers[i] = lb.ServerStats{Server: &lb.Server{ID: id}}
		}
		servers[0].Place.Share, servers[1].Place.Share = .25, .75
		var stats lb.Stats
		now := func() reading { return read(m, servers, stats) }
		w := newWindow(now())
		if r := w.rates(now()); r.imbalance != (Imbalance{}) || len(r.shadowShares) != 3 || r.shadowShares[serverKey{id: "a"}] != 0 {
			t.Errorf("at first: %+v", r)
		}
		count := func(i int, picks, shadow int64) {
			s := &servers[i]
			s.Requests, s.Busy = s.Requests+picks, s.Busy+time.Duration(picks)*time.Second
			s.Shadow.Requests, s.Shadow.Busy = s.Shadow.Requests+shadow, s.Shadow.Busy+2*time.Duration(shadow)*time.Second
			stats.Shadow.Picks += shadow
		}
		stats.Shadow.Strategy = "first"
		count(0, 50, 20) // 50 of 100 is twice the planned quarter
		count(1, 50, 20)
		count(2, 100, 40) // does not count, since it is out
		servers[1].Busy += 100 * time.Second
		r := w.rates(now())
		if r.imbalance != (Imbalance{Picks: 2, ShadowPicks: 2, Load: 1, ShadowLoad: 2}) || r.shares[serverKey{id: "a"}] != .25 || r.shadowShares[serverKey{id: "a"}] != .25 {
			t.Errorf("got %+v", r)
		}
		time.Sleep(windowStep)
		w.push(now())

		// Another one begins anew, which the numbers before it do not darken.
		for _, strategy := range []string{"random", "random"} {
			stats.Shadow = lb.ShadowStats{Strategy: strategy}
			for i := range servers {
				servers[i].Shadow = lb.ServerShadow{}
			}
			count(0, 0, 5)
			count(1, 0, 15)
			if r := w.rates(now()); r.imbalance.ShadowPicks != 1 || r.shadowShares[serverKey{id: "b"}] != .75 {
				t.Errorf("of another shadow: %+v", r)
			}
			w.push(now())
		}
		for range windowSteps {
			time.Sleep(windowStep)
			w.push(now())
		}
		if r := w.rates(now()); r.imbalance != (Imbalance{}) {
			t.Errorf("after a quiet minute: %+v", r)
		}
		stats.Shadow = lb.ShadowStats{Strategy: "random"} // again the same, but anew
		for i := range servers {
			servers[i].Shadow = lb.ServerShadow{}
		}
		count(0, 0, 1)
		count(1, 0, 3)
		if r := w.rates(now()); r.imbalance.ShadowPicks != 1 || r.shadowShares[serverKey{id: "b"}] != .75 {
			t.Errorf("of the same shadow, set again: %+v", r)
		}
		stats.Shadow = lb.ShadowStats{Strategy: "ip_hash"} // another, with more picks than were
		for i := range servers {
			servers[i].Shadow = lb.ServerShadow{}
		}
		count(0, 0, 20)
		count(1, 0, 20)
		if r := w.rates(now()); r.shadowShares[serverKey{id: "b"}] != .5 {
			t.Errorf("of a third: %+v", r)
		}
	})
}
