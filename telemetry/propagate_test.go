package telemetry

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const (
	callersTrace = "0af7651916cd43dd8448eb211c80319c"
	callersSpan  = "b7ad6b7169203331"
)

func TestPropagation(t *testing.T) {
	const (
		verbatim  = "verbatim" // the caller's header
		child     = "child"    // its trace, another span, sampled
		root      = "root"     // another trace, sampled
		unsampled = "unsampled root"
		nothing   = "nothing"
	)
	distrust := func(c *Config) { c.Traces.TrustIncoming = false }
	ratio := func(r float64) func(*Config) { return func(c *Config) { c.Traces.SampleRatio = r } }
	for name, test := range map[string]struct {
		change  func(*Config)
		sampler string
		in      []string // headers, as pairs
		out     string
		state   string // tracestate at the backend
		spans   int
		links   int
	}{
		"sampled parent":          {in: []string{"traceparent", sampledParent, "tracestate", "a=1,b=2"}, out: child, state: "a=1,b=2", spans: 2},
		"state in two lines":      {in: []string{"traceparent", sampledParent, "tracestate", "a=1", "tracestate", "b=2"}, out: child, state: "a=1,b=2", spans: 2},
		"broken state":            {in: []string{"traceparent", sampledParent, "tracestate", "a=1,,=="}, out: child, spans: 2},
		"unsampled parent":        {in: []string{"traceparent", unsampledParent, "tracestate", "a=1, ,=="}, out: verbatim, state: "a=1, ,=="},
		"none":                    {out: root, spans: 2},
		"none but a state":        {in: []string{"tracestate", "a=1"}, out: root, spans: 2},
		"invalid":                 {in: []string{"traceparent", "00-" + callersTrace + "-0000000000000000-01", "tracestate", "a=1"}, out: root, spans: 2},
		"two parents":             {in: []string{"traceparent", sampledParent, "traceparent", unsampledParent, "tracestate", "a=1"}, out: root, spans: 2},
		"later version":           {in: []string{"traceparent", "cc" + sampledParent[2:] + "-x", "tracestate", "a=1"}, out: child, state: "a=1", spans: 2},
		"distrust, sampled":       {change: distrust, in: []string{"traceparent", sampledParent, "tracestate", "a=1"}, out: root, spans: 2, links: 1},
		"distrust, unsampled":     {change: distrust, in: []string{"traceparent", unsampledParent}, out: root, spans: 2, links: 1},
		"distrust, none":          {change: distrust, out: root, spans: 2},
		"ratio 0, none":           {change: ratio(0), in: []string{"tracestate", "a=1"}, out: unsampled},
		"ratio 0, sampled parent": {change: ratio(0), in: []string{"traceparent", sampledParent}, out: child, spans: 2},
		"env wins over ratio":     {change: ratio(0), sampler: "parentbased_always_on", out: root, spans: 2},
		"always_off":              {sampler: "always_off", out: unsampled},
		"always_off, sampled":     {sampler: "always_off", in: []string{"traceparent", sampledParent}, out: "unsampled child"},
		"always_on, unsampled":    {sampler: "always_on", in: []string{"traceparent", unsampledParent, "tracestate", "a=1"}, out: child, state: "a=1", spans: 2},
		"unknown sampler":         {change: ratio(0), sampler: "jaeger_remote", out: unsampled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_SAMPLER", test.sampler)
			c := trusting()
			if test.change != nil {
				test.change(&c)
			}
			rig := newRig(t, c)
			in := request("GET", "http://web.local/", append(test.in, "baggage", "k=v;p, broken=%zz")...)
			got := carry(rig.Observer("web", nil), in, good)
			if got.Get("Baggage") != "k=v;p, broken=%zz" {
				t.Errorf("baggage: %q", got["Baggage"])
			}
			if state := strings.Join(got["Tracestate"], "|"); state != test.state {
				t.Errorf("tracestate: %q", state)
			}
			spans := rig.spans.GetSpans()
			if len(spans) != test.spans {
				t.Fatalf("%d spans", len(spans))
			}
			p, ok := parseTraceparent([]byte(got.Get("Traceparent")))
			if len(got["Traceparent"]) != 1 || !ok {
				t.Fatalf("traceparent: %q", got["Traceparent"])
			}
			same := p.trace.String() == callersTrace
			switch test.out {
			case verbatim:
				if got.Get("Traceparent") != unsampledParent {
					t.Errorf("traceparent: %s", p.append(nil))
				}
			case child:
				if !same || p.span.String() == callersSpan || !p.flags.IsSampled() {
					t.Errorf("no child: %s", p.append(nil))
				}
			case "unsampled child":
				if !same || p.span.String() == callersSpan || p.flags.IsSampled() {
					t.Errorf("no unsampled child: %s", p.append(nil))
				}
			case root, unsampled:
				if same || p.flags.IsSampled() != (test.out == root) {
					t.Errorf("no %s: %s", test.out, p.append(nil))
				}
			}
			if len(spans) == 0 {
				return
			}
			client, server := spans[0], spans[1]
			if client.SpanContext.SpanID() != p.span || client.SpanContext.TraceID() != p.trace {
				t.Errorf("the backend was told %s, the span is %s", p.append(nil), client.SpanContext.SpanID())
			}
			if client.Parent.SpanID() != server.SpanContext.SpanID() {
				t.Error("the attempt is no child of the request")
			}
			if remote := test.out == child; server.Parent.IsValid() != remote || server.Parent.IsRemote() != remote {
				t.Errorf("parent of the request: %v", server.Parent)
			}
			if len(server.Links) != test.links {
				t.Errorf("links: %v", server.Links)
			}
			for _, l := range server.Links {
				if l.SpanContext.TraceID().String() != callersTrace || l.SpanContext.SpanID().String() != callersSpan {
					t.Errorf("link to %v", l.SpanContext)
				}
			}
		})
	}
}

// What an attempt carries is its own: the next one begins from what the app
// sent.
func TestTheAppsHeaderStays(t *testing.T) {
	for _, parent := range []string{"", sampledParent, unsampledParent} {
		rig := newRig(t, trusting())
		in := request("GET", "http://web.local/", "tracestate", "a=1", "accept", "*/*")
		if parent != "" {
			in.Header.AddNamed("traceparent", parent)
		}
		before := headerOf(in)
		x := rig.Observer("web", nil).Begin(in)
		for n := range 2 {
			x.Attempt(attempted(in), backendA, n, "").End(good)
			if now := headerOf(in); !maps.EqualFunc(now, before, slices.Equal) {
				t.Errorf("%v became %v", before, now)
			}
		}
		x.End(good)
	}
}

// The trace ID that sampling decided on is the one that is recorded, so that
// others who decide by the same ratio decide alike.
func TestRatioIsOfTheTraceID(t *testing.T) {
	c := trusting()
	c.Traces.SampleRatio = 0.25
	rig := newRig(t, c)
	o := rig.Observer("web", nil)
	sampled := 0
	for range 400 {
		p, ok := parseTraceparent([]byte(carry(o, request("GET", "http://web.local/"), good).Get("Traceparent")))
		if !ok {
			t.Fatal("no traceparent")
		}
		// The rule of TraceIDRatioBased, on the lower half of the ID.
		var x uint64
		for _, b := range p.trace[8:] {
			x = x<<8 | uint64(b)
		}
		if want := x>>1 < 1<<61; p.flags.IsSampled() != want {
			t.Fatalf("%s: sampled %v", p.append(nil), p.flags.IsSampled())
		}
		if p.flags.IsSampled() {
			sampled++
		}
	}
	if n := len(rig.spans.GetSpans()); n != 2*sampled || sampled < 50 || sampled > 150 {
		t.Errorf("%d sampled, %d spans", sampled, n)
	}
}

func TestPropagators(t *testing.T) {
	const b3 = callersTrace + "-" + callersSpan + "-"
	for name, test := range map[string]struct {
		env, header, value string
		sampled            string // the header's beginning for a child
		unsampled          string // a value that passes verbatim
	}{
		"b3":      {"b3", "B3", b3 + "1", callersTrace, b3 + "0"},
		"jaeger":  {"jaeger", "Uber-Trace-Id", callersTrace + ":" + callersSpan + ":0:1", callersTrace, callersTrace + ":" + callersSpan + ":0:0"},
		"several": {"baggage, tracecontext ,B3", "B3", b3 + "1", callersTrace, b3 + "0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_PROPAGATORS", test.env)
			rig := newRig(t, trusting())
			o := rig.Observer("web", nil)
			got := carry(o, request("GET", "http://web.local/", test.header, test.value, "X-B3-SpanId", "00f067aa0ba902b7", "Baggage", "k = v"), good)
			if got.Get("Baggage") != "k = v" {
				t.Errorf("baggage: %q", got["Baggage"])
			}
			if v := got.Get(test.header); !strings.HasPrefix(v, test.sampled) || strings.Contains(v, callersSpan) {
				t.Errorf("sampled: %v", got)
			}
			if strings.Contains(test.env, "3") && got.Get("X-B3-SpanId") != "" {
				t.Errorf("a stale header went on: %v", got)
			}
			if n := len(rig.spans.GetSpans()); n != 2 {
				t.Errorf("%d spans", n)
			}
			got = carry(o, request("GET", "http://web.local/", test.header, test.unsampled), good)
			if v := got.Get(test.header); v != test.unsampled {
				t.Errorf("unsampled: %v", got)
			}
			if v := carry(o, request("GET", "http://web.local/"), good).Get(test.header); v == "" {
				t.Error("a new trace does not tell of itself")
			}
		})
	}
	t.Run("unsampled root", func(t *testing.T) {
		t.Setenv("OTEL_PROPAGATORS", "b3multi")
		c := trusting()
		c.Traces.SampleRatio = 0
		got := carry(newRig(t, c).Observer("web", nil), request("GET", "http://web.local/"), good)
		if got.Get("X-B3-Sampled") != "0" || got.Get("X-B3-TraceId") == "" {
			t.Errorf("%v", got)
		}
	})
	for env, problem := range map[string]bool{"none": false, "baggage": false, "nonsense": true, "b3,nonsense": true} {
		t.Run(env, func(t *testing.T) {
			p, err := newPropagator(env)
			if (err != nil) != problem || p.text == nil {
				t.Errorf("%v, %v", p.text, err)
			}
			if p.w3c != (env == "nonsense") {
				t.Errorf("W3C: %v", p.w3c)
			}
			rig := newRig(t, trusting())
			rig.tracing.propagator = p
			if got := carry(rig.Observer("web", nil), request("GET", "http://web.local/", "traceparent", sampledParent, "tracestate", "a=1"), good); !p.w3c && (got.Get("Traceparent") != sampledParent || got.Get("Tracestate") != "a=1") {
				t.Errorf("W3C headers are none of ours: %v", got)
			}
		})
	}
}

func TestTracingOff(t *testing.T) {
	rig := newRig(t, trusting())
	rig.tracing = nil
	got := carry(rig.Observer("web", nil), request("GET", "http://web.local/", "traceparent", sampledParent, "tracestate", "a=1"), good)
	if got.Get("Traceparent") != sampledParent || got.Get("Tracestate") != "a=1" {
		t.Errorf("%v", got)
	}
}
