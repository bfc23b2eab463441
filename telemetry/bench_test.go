package telemetry

import (
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

const (
	sampledParent   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampledParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// observers are the ways in which a request can be observed, with the header
// it has.
func observers(t testing.TB) map[string]struct {
	proxy.Observer
	parent string
} {
	type observed = struct {
		proxy.Observer
		parent string
	}
	metrics := newRig(t, trusting())
	metrics.tracing = nil
	full := newRig(t, trusting())
	full.processors[0].Shutdown(t.Context()) // the cost of what comes after a span's end is not the request's
	never := trusting()
	never.Traces.SampleRatio = 0
	strategy := func() string { return "round_robin" }
	return map[string]observed{
		"off":             {(&Telemetry{}).Observer("web", strategy), ""},
		"metrics":         {metrics.Observer("web", strategy), ""},
		"unsampled":       {full.Observer("web", strategy), unsampledParent},
		"unsampled_root":  {newRig(t, never).Observer("web", strategy), ""},
		"sampled":         {full.Observer("web", strategy), sampledParent},
		"sampled_newroot": {full.Observer("web", strategy), ""},
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

func BenchmarkObserver(b *testing.B) {
	all := observers(b)
	for _, name := range []string{"off", "metrics", "unsampled", "unsampled_root", "sampled", "sampled_newroot"} {
		o := all[name]
		b.Run(name, func(b *testing.B) {
			r := request("GET", "http://web.local/orders/7?x=1", "User-Agent", "bench")
			if o.parent != "" {
				r.Header.Set(message.Traceparent, o.parent)
			}
			var out message.Request
			b.ReportAllocs()
			for b.Loop() {
				observe(o.Observer, r, &out)
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	most := map[string]float64{"off": 0, "metrics": 0, "unsampled": 0, "unsampled_root": 0}
	all := observers(t)
	for name, limit := range most {
		o := all[name]
		r := request("GET", "http://web.local/orders/7?x=1")
		if o.parent != "" {
			r.Header.Set(message.Traceparent, o.parent)
		}
		var out message.Request
		n := testing.AllocsPerRun(200, func() { observe(o.Observer, r, &out) })
		if n > limit {
			t.Errorf("%s: %v allocations a request, not %v", name, n, limit)
		}
	}
}
