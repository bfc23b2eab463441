package telemetry

import (
	"strconv"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
)

func TestCombinationKeepsApart(t *testing.T) {
	seen := make(map[string]combination)
	for method := range methods {
		for version := range versions {
			for _, status := range []int{0, 100, 200, 599} {
				for f := range failure(40) {
					c := combine(method, version, status, f)
					set := attribute.NewSet(c.attributes()...)
					name := seriesName(set)
					if f > firstKind && f.errorType(status) == other {
						continue // codes that nobody makes
					}
					if before, ok := seen[name]; ok && before != c {
						t.Fatalf("%s is both %x and %x", name, before, c)
					}
					seen[name] = c
				}
			}
		}
	}
	for status, want := range map[int]string{7: "100", 999: "599", 204: "204"} {
		set := attribute.NewSet(combine(0, 0, status, noFailure).attributes()...)
		if got := labelsOf(set)["http.response.status_code"]; got != want {
			t.Errorf("status %d is told as %s", status, got)
		}
	}
}

// What backends answer does not decide how many series there are.
func TestSeriesAreBounded(t *testing.T) {
	rig := newRig(t, trusting())
	o := rig.Observer("web", nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for status := range 600 {
				for _, method := range []string{"GET", "POST", "X" + strconv.Itoa(status)} {
					r := request(method, "http://web.local/", "traceparent", unsampledParent)
					carry(o, r, proxy.Result{Status: status, Major: 1, GRPC: -1})
				}
			}
		})
	}
	wg.Wait()
	for _, name := range []string{httpServerDuration, httpClientDuration} {
		data := rig.collect(t)[name].Data.(metricdata.Histogram[float64])
		if n := len(data.DataPoints); n != seriesLimit+1 {
			t.Errorf("%s: %d series", name, n)
		}
		var count, over uint64
		for _, p := range data.DataPoints {
			count += p.Count
			labels := labelsOf(p.Attributes)
			if labels["otel.metric.overflow"] == "true" {
				over += p.Count
			}
			if labels["outrigger.upstream.name"] != "web" {
				t.Errorf("%v", labels)
			}
		}
		if count != 4*600*3 || over == 0 {
			t.Errorf("%s: %d measurements, %d of them over the limit", name, count, over)
		}
	}
}
