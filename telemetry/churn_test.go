package telemetry

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// A thousand backends that come and go leave nothing behind: as many series as
// before are there two collections later, a quarter of a minute each.
func TestAThousandBackendsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := lb.New(lb.RoundRobin())
		rig := newRig(t, trusting())
		meter := new(proxy.Meter)
		series := func() (names []string) {
			for name, m := range rig.with(Upstream{
				Name: "web", Strategy: "round_robin", Protocol: "http", Meter: meter, Stats: b.Stats(), Servers: b.AllStats(),
			}).collect(t) {
				if strings.HasPrefix(name, "go.") {
					continue
				}
				for one := range sums(t, map[string]metricdata.Metrics{name: m}, name) {
					names = append(names, name+"{"+one+"}")
				}
			}
			return names
		}
		put := func(generation, n int) {
			servers := []lb.Server{{ID: "stays", Address: "stays:80"}}
			for i := range n {
				id := fmt.Sprintf("%d-%d", generation, i)
				servers = append(servers, lb.Server{ID: id, Address: id + ":80", Zone: fmt.Sprint("z", i%3)})
			}
			if err := b.Replace(servers); err != nil {
				t.Fatal(err)
			}
			for range servers {
				lease, err := b.Acquire(context.Background(), lb.Query{})
				if err != nil {
					t.Fatal(err)
				}
				lease.Record(time.Millisecond)
				lease.Release()
			}
		}
		put(0, 0)
		before := series()
		for generation := 1; generation <= 10; generation++ {
			put(generation, 100)
			if n := len(series()); n < len(before)+100 {
				t.Errorf("%d series of 101 backends, after %d of one", n, len(before))
			}
		}
		put(0, 0)
		var after []string
		for range 2 {
			time.Sleep(15 * time.Second)
			after = series()
		}
		if len(after) != len(before) {
			t.Errorf("%d series, and before there were %d: %q", len(after), len(before), after[:min(len(after), 20)])
		}
	})
}
