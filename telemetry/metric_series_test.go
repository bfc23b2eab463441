package telemetry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Sizes of bodies are measured where that is wanted, with the labels of the
// durations; the SDK's histograms would have the same.
func TestBodySizes(t *testing.T) {
	names := []string{httpServerRequestSize, httpServerResponseSize, httpClientRequestSize, httpClientResponseSize}
	posted, tried := good, good
	posted.Received, posted.Sent = 5000, 256
	tried.Received, tried.Sent = 5000, 70
	post := func(rig *rig) map[string]metricdata.Metrics {
		o := rig.Observer("web", nil)
		for range 2 {
			r := request("POST", "http://web.local/", "traceparent", sampledParent)
			x := o.Begin(r)
			x.Attempt(attempted(r), backendA, 0, "").End(tried)
			x.End(posted)
		}
		return rig.collect(t)
	}
	off := post(newRig(t, trusting()))
	for _, name := range names {
		if _, ok := off[name]; ok {
			t.Errorf("%s is there unasked", name)
		}
	}
	c := trusting()
	c.Metrics.BodySize = true
	bySDK := newRig(t, c)
	bySDK.upstreams.recordBy(bySDK.metrics.histograms)
	for by, all := range map[string]map[string]metricdata.Metrics{"us": post(newRig(t, c)), "the SDK": post(bySDK)} {
		for i, want := range []struct {
			sum    float64
			bucket int
		}{{10000, 3}, {512, 0}, {10000, 3}, {140, 0}} {
			p := points(t, all, names[i])["200"]
			durations := points(t, all, []string{httpServerDuration, httpClientDuration}[i/2])["200"]
			if p.Count != 2 || p.Sum != want.sum || p.BucketCounts[want.bucket] != 2 || all[names[i]].Unit != "By" {
				t.Errorf("by %s, %s: %+v", by, names[i], p)
			}
			if p.Attributes != durations.Attributes || len(p.Exemplars) != 0 || len(durations.Exemplars) == 0 {
				t.Errorf("by %s, %s: %v with %d exemplars, durations are of %v", by, names[i], labelsOf(p.Attributes), len(p.Exemplars), labelsOf(durations.Attributes))
			}
		}
	}
}

// The durations of requests and attempts are counted in the buckets that are
// wanted, whoever records them, and nothing else is.
func TestLatencyBuckets(t *testing.T) {
	c := trusting()
	c.Metrics.LatencyBuckets = []time.Duration{time.Microsecond, 3 * time.Millisecond, 1500 * time.Millisecond}
	bySDK := newRig(t, c)
	bySDK.upstreams.recordBy(bySDK.metrics.histograms)
	for _, rig := range []*rig{newRig(t, c), bySDK} {
		carry(rig.Observer("web", nil), request("GET", "http://web.local/"), good) // 3 ms
		rig.HealthCheck("web", "http", true, time.Second)
		all := rig.collect(t)
		for _, name := range []string{httpServerDuration, httpClientDuration} {
			p := points(t, all, name)["200"]
			if !slices.Equal(p.Bounds, []float64{1e-6, 3e-3, 1.5}) || !slices.Equal(p.BucketCounts, []uint64{0, 1, 0, 0}) {
				t.Errorf("%s: %v in %v", name, p.BucketCounts, p.Bounds)
			}
		}
		for _, name := range []string{overheadDuration, healthCheckDuration} {
			if p := points(t, all, name)[""]; !slices.Equal(p.Bounds, instrument(name).Buckets) {
				t.Errorf("%s: %v", name, p.Bounds)
			}
		}
	}
}

// As many backends have series of their own as is wanted.
func TestBackendLimitThatIsSet(t *testing.T) {
	c := trusting()
	c.Metrics.BackendLimit = 2
	rig := newRig(t, c)
	u := Upstream{Name: "web", Protocol: "http", Meter: new(proxy.Meter)}
	for i := range 5 {
		u.Servers = append(u.Servers, serverStats(fmt.Sprint(i), fmt.Sprint("z", i), health.Up, 10, 0, 0))
	}
	all := rig.with(u).collect(t)
	got := sums(t, all, backendRequests)
	if len(got) != 3*2 || got["outcome=ok,outrigger.backend.id=_other,outrigger.upstream.name=web"] != 30 {
		t.Errorf("%v", got)
	}
	if n := sums(t, all, backendCount)["state=healthy,outrigger.backend.zone=_other,outrigger.upstream.name=web"]; n != 3 {
		t.Errorf("%v backends of zones that are not told apart", n)
	}
}

// Each wait in the queue is measured, and none where there are no metrics.
func TestWaits(t *testing.T) {
	rig := newRig(t, trusting())
	b := lb.New(nil, lb.WithQueue(lb.Queue{Length: 1, Timeout: time.Millisecond}), lb.WithHooks(lb.Hooks{Waited: rig.Waits("web")}))
	if err := b.Add(lb.Server{ID: "a", Address: "a:80", MaxConnections: 1}); err != nil {
		t.Fatal(err)
	}
	for range 4 { // of which the first need not wait, and the others do so in vain
		_, _ = b.Acquire(t.Context(), lb.Query{})
	}
	p := points(t, rig.collect(t), queueWaitDuration)[""]
	if p.Count != 3 || p.Sum < 3e-3 || p.Sum > 30 || labelsOf(p.Attributes)["outrigger.upstream.name"] != "web" {
		t.Errorf("%+v", p)
	}
	if off := new(Telemetry).Waits("web"); off != nil {
		t.Error("somebody asks")
	}
}
