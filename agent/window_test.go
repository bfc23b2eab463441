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
		w := newWindow(read(m, servers))
		if r := w.rates(read(m, servers)); r.PerSecond != 0 || r.ErrorShare != 0 || r.P99 != 0 || r.shares["a "] != 0 {
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
			w.push(read(m, servers))
		}
		for range 5 {
			tick(100, 10, 10*time.Millisecond)
		}
		r := w.rates(read(m, servers))
		if r.PerSecond != 20 || r.ErrorShare != 0.1 || r.shares["a "] != 0.25 || r.P50 < 10*time.Millisecond || r.P50 > 12*time.Millisecond {
			t.Errorf("after 25 s: %+v", r)
		}
		for range windowSteps { // what was before is out of sight
			tick(0, 0, 0)
		}
		if r := w.rates(read(m, servers)); r.PerSecond != 0 || r.P99 != 0 || r.shares["b "] != 0 {
			t.Errorf("after a quiet minute: %+v", r)
		}
	})
}
