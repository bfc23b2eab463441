package telemetry

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

const (
	sampledParent   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampledParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// observed is a way in which requests can be observed, with the parent they
// name.
type observed struct {
	proxy.Observer
	parent string
}

func (o observed) request() *message.Request {
	r := request("GET", "http://web.local/orders/7?x=1", "User-Agent", "bench")
	if o.parent != "" {
		r.Header.Set(message.Traceparent, o.parent)
	}
	return r
}

func observers(t testing.TB) map[string]observed {
	metrics := newRig(t, trusting())
	metrics.tracing = nil
	bySDK := newRig(t, trusting())
	bySDK.tracing = nil
	bySDK.upstreams.recordBy(bySDK.metrics.histograms)
	traces := newRig(t, trusting())
	traces.spans.deaf.Store(true)
	alone := newRig(t, trusting())
	alone.metrics = nil
	never := trusting()
	never.Traces.SampleRatio = 0
	how := choosing{lb.New(nil), time.Second}
	return map[string]observed{
		"nobody":          {(&Telemetry{}).Observer("web", how), ""},
		"metrics":         {metrics.Observer("web", how), ""},
		"metrics_by_sdk":  {bySDK.Observer("web", how), ""},
		"unsampled":       {traces.Observer("web", how), unsampledParent},
		"unsampled_alone": {alone.Observer("web", how), unsampledParent},
		"unsampled_root":  {newRig(t, never).Observer("web", how), ""},
		"sampled":         {traces.Observer("web", how), sampledParent},
		"sampled_root":    {traces.Observer("web", how), ""},
	}
}

// observe takes r through o as the proxy does, which makes out anew for each
// request, in the same room.
func observe(o proxy.Observer, r, out *message.Request) {
	x := o.Begin(r)
	out.Reset()
	out.Method, out.Target, out.Authority = r.Method, r.Target, r.Authority
	message.EndToEnd(&out.Header, &r.Header)
	x.Attempt(out, backendA, 0, "").End(good)
	end := good
	end.Attempts = 1
	x.End(end)
}

// BenchmarkObserver is what observing costs a request with one attempt, on all
// processors at once; that of "nobody" is the loop's own. With "by_sdk" the
// durations go into the SDK's histograms.
func BenchmarkObserver(b *testing.B) {
	all := observers(b)
	for _, name := range []string{"nobody", "metrics", "metrics_by_sdk", "unsampled", "unsampled_root", "sampled", "sampled_root"} {
		o := all[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				r, out := o.request(), new(message.Request)
				for pb.Next() {
					observe(o.Observer, r, out)
				}
			})
		})
	}
}

// BenchmarkDistribution is one duration alone, recorded on all processors.
func BenchmarkDistribution(b *testing.B) {
	s := newUpstreams("", Metrics{}).get("web").serving.series
	var lane atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		mine := int(lane.Add(1) % lanes)
		for pb.Next() {
			s.of(combine(0, 2, 200, noFailure)).add(nil, mine, &good)
		}
	})
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	most := map[string]float64{
		"nobody": 0, "metrics": 0, "metrics_by_sdk": 0, "unsampled": 0, "unsampled_alone": 0, "unsampled_root": 0,
		"sampled": 0, "sampled_root": 0,
	}
	for name, o := range observers(t) {
		r, out := o.request(), new(message.Request)
		if n := testing.AllocsPerRun(200, func() { observe(o.Observer, r, out) }); n > most[name] {
			t.Errorf("%s: %v allocations a request, not %v", name, n, most[name])
		}
	}
}
