package telemetry

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// With attempts alone each is a child of whoever called, or of nobody, and what
// backends are told is the same as ever.
func TestSpansOfAttemptsAlone(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Traces)
		in     []string // headers, as pairs
		spans  int
		parent string // of each attempt's span
		trace  string // "" for one of our own
		state  string
		links  int
	}{
		"sampled parent":   {in: []string{"traceparent", sampledParent, "tracestate", "a=1"}, spans: 2, parent: callersSpan, trace: callersTrace, state: "a=1"},
		"unsampled parent": {in: []string{"traceparent", unsampledParent, "tracestate", "a=1"}, trace: callersTrace, state: "a=1"},
		"no parent":        {in: []string{"tracestate", "a=1"}, spans: 2},
		"not sampled":      {change: func(c *Traces) { c.SampleRatio = 0 }},
		"distrust":         {change: func(c *Traces) { c.TrustIncoming = false }, in: []string{"traceparent", sampledParent, "tracestate", "a=1"}, spans: 2, links: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := trusting()
			c.Traces.Mode = "client"
			if test.change != nil {
				test.change(&c.Traces)
			}
			rig := newRig(t, c)
			r := request("GET", "http://web.local/", test.in...)
			o := rig.Observer("web", nil)
			for range 2 { // the second in the room of the first
				x := o.Begin(r)
				for n, reason := range []string{"", "reset"} {
					out := attempted(r)
					a := x.Attempt(out, backendA, n, reason)
					told, _ := parseTraceparent(out.Header.Get(message.Traceparent))
					if state := string(out.Header.Get(message.Tracestate)); state != test.state || told.flags.IsSampled() != (test.spans > 0) {
						t.Errorf("attempt %d is told %+v, and the state %q", n, told, state)
					}
					a.End(good)
					if test.spans == 0 {
						continue
					}
					spans := rig.spans.GetSpans()
					if s := spans[len(spans)-1]; s.SpanContext.SpanID() != told.span || s.SpanContext.TraceID() != told.trace {
						t.Errorf("attempt %d is told %+v in the span %v", n, told, s.SpanContext)
					}
				}
				logged, span := x.(Traced).Trace()
				x.End(good)
				if !trace.TraceID(logged).IsValid() || span != [8]byte{} || test.trace != "" && trace.TraceID(logged).String() != test.trace {
					t.Errorf("the log says %x and %x", logged, span)
				}
				spans := rig.spans.GetSpans()
				rig.spans.forget()
				if len(spans) != test.spans {
					t.Fatalf("%d spans", len(spans))
				}
				for _, s := range spans {
					parent := ""
					if s.Parent.IsValid() {
						parent = s.Parent.SpanID().String()
					}
					if s.SpanKind != trace.SpanKindClient || parent != test.parent || s.Parent.IsRemote() != (parent != "") || s.SpanContext.TraceID() != logged || len(s.Links) != test.links {
						t.Errorf("%v %v, a child of %v with the links %v", s.SpanKind, s.SpanContext, s.Parent, s.Links)
					}
				}
			}
		})
	}
}

func TestSpanNames(t *testing.T) {
	for by, want := range map[string]string{"": "GET HTTP", "semconv": "GET HTTP", "upstream": "GET pay\uFFFD HTTP pay\uFFFD"} {
		c := trusting()
		c.Traces.SpanName = by
		rig := newRig(t, c)
		o := rig.Observer("pay\xff", nil)
		var names []string
		for _, method := range []string{"GET", "BREW"} {
			carry(o, request(method, "http://web.local/"), good)
			for kind := range 2 {
				names = append(names, rig.spans.GetSpans()[kind].Name)
			}
			rig.spans.forget()
		}
		if names[0] != names[1] || names[2] != names[3] || names[0]+" "+names[2] != want {
			t.Errorf("%s: %q", by, names)
		}
	}
}

func TestModesThatAreNone(t *testing.T) {
	for want, c := range map[string]Traces{`no mode "both"`: {Mode: "both"}, `no span name "path"`: {SpanName: "path"}} {
		if _, err := Setup(t.Context(), Config{Traces: c}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %s", err, want)
		}
	}
}

// A log can tell of a caller's trace where there is no tracing.
func TestCallersTrace(t *testing.T) {
	for header, want := range map[string]string{
		sampledParent: callersTrace, unsampledParent: callersTrace, "": strings.Repeat("0", 32), sampledParent + "x": strings.Repeat("0", 32),
	} {
		r := request("GET", "http://web.local/")
		if header != "" {
			r.Header.Set(message.Traceparent, header)
		}
		if got := CallersTrace(&r.Header); trace.TraceID(got).String() != want {
			t.Errorf("%q: %x", header, got)
		}
	}
}
