package telemetry

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// told is a header that tells of a caller's span, as another program would
// write it.
func told(p propagation.TextMapPropagator, sampled bool) http.Header {
	var c trace.SpanContextConfig
	c.TraceID, _ = trace.TraceIDFromHex(callersTrace)
	c.SpanID, _ = trace.SpanIDFromHex(callersSpan)
	c.TraceFlags = c.TraceFlags.WithSampled(sampled)
	h := make(http.Header)
	p.Inject(trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(c)), propagation.HeaderCarrier(h))
	return h
}

// read is the span that a backend finds in its header.
func read(p propagation.TextMapPropagator, h http.Header) trace.SpanContext {
	return trace.SpanContextFromContext(p.Extract(context.Background(), propagation.HeaderCarrier(h)))
}

// pairs are a header's fields, as request takes them.
func pairs(h http.Header) (list []string) {
	for name, values := range h {
		for _, v := range values {
			list = append(list, name, v)
		}
	}
	return list
}

// The rules of propagation hold in whatever headers a trace travels.
func TestPropagationRules(t *testing.T) {
	const bag = "k=v;p, broken=%zz"
	for _, env := range []string{"", "tracecontext", "b3", "b3multi", "jaeger", "xray", "ottrace", "tracecontext,baggage", "tracecontext,b3multi", "b3,jaeger", "jaeger,tracecontext,b3"} {
		t.Run(env, func(t *testing.T) {
			t.Setenv("OTEL_PROPAGATORS", env)
			p, err := newPropagator(env)
			if err != nil {
				t.Fatal(err)
			}
			w3c := env == "" || strings.Contains(env, "tracecontext")
			through := func(rig *rig, h http.Header, more ...string) http.Header {
				return carry(rig.Observer("web", nil), request("GET", "http://web.local/", append(pairs(h), more...)...), good)
			}
			isRoot := func(t *testing.T, got http.Header, sampled bool) trace.SpanContext {
				t.Helper()
				s := read(p.text, got)
				if !s.IsValid() || s.IsSampled() != sampled || strings.HasSuffix(callersTrace, s.TraceID().String()[16:]) {
					t.Errorf("no root, sampled %v: %v", sampled, got)
				}
				return s
			}

			t.Run("off", func(t *testing.T) {
				rig := newRig(t, trusting())
				rig.tracing = nil
				in := told(p.text, true)
				in.Set("Tracestate", "a=1, ,==")
				in.Set("Baggage", bag)
				if got := through(rig, in); !maps.EqualFunc(got, in, slices.Equal) {
					t.Errorf("%v became %v", in, got)
				}
			})
			t.Run("unsampled parent", func(t *testing.T) {
				rig := newRig(t, trusting())
				in := told(p.text, false)
				in.Set("Tracestate", "a=1, ,==")
				in.Set("Baggage", bag)
				if got := through(rig, in); !maps.EqualFunc(got, in, slices.Equal) {
					t.Errorf("%v became %v", in, got)
				}
				if spans := rig.spans.GetSpans(); len(spans) != 0 {
					t.Errorf("%d spans", len(spans))
				}
			})
			t.Run("sampled parent", func(t *testing.T) {
				rig := newRig(t, trusting())
				in := told(p.text, true)
				caller := read(p.text, in)
				x := rig.Observer("web", nil).Begin(request("GET", "http://web.local/", append(pairs(in), "Baggage", bag)...))
				for n := range 2 {
					out := attempted(request("GET", "http://web.local/", append(pairs(in), "Baggage", bag)...))
					x.Attempt(out, backendA, n, "").End(good)
					got := headerOf(out)
					client := stub(t, rig.spans.GetSpans(), trace.SpanKindClient, n)
					s := read(p.text, got)
					if s.TraceID() != caller.TraceID() || s.SpanID() != client.SpanContext.SpanID() || !s.IsSampled() {
						t.Errorf("attempt %d: the backend reads %v in %v", n, s, got)
					}
					if strings.Contains(strings.Join(pairs(got), " "), callersSpan) {
						t.Errorf("attempt %d: the caller's span is still there: %v", n, got)
					}
					if got.Get("Baggage") != bag {
						t.Errorf("attempt %d: baggage became %q", n, got["Baggage"])
					}
				}
				x.End(good)
				if server := stub(t, rig.spans.GetSpans(), trace.SpanKindServer, 0); server.Parent.SpanID() != caller.SpanID() || !server.Parent.IsRemote() {
					t.Errorf("the parent is %v", server.Parent)
				}
			})
			t.Run("no parent", func(t *testing.T) {
				rig := newRig(t, trusting())
				got := through(rig, http.Header{"Tracestate": {"a=1"}, "Baggage": {bag}})
				isRoot(t, got, true)
				if state := got.Get("Tracestate"); (state == "a=1") == w3c || got.Get("Baggage") != bag {
					t.Errorf("state %q, baggage %q", state, got["Baggage"])
				}
				if n := len(rig.spans.GetSpans()); n != 2 {
					t.Errorf("%d spans", n)
				}
			})
			t.Run("no parent, not sampled", func(t *testing.T) {
				c := trusting()
				c.Traces.SampleRatio = 0
				rig := newRig(t, c)
				x := rig.Observer("web", nil).Begin(request("GET", "http://web.local/", "Tracestate", "a=1"))
				var traces []trace.TraceID
				for n := range 2 {
					out := attempted(request("GET", "http://web.local/", "Tracestate", "a=1"))
					x.Attempt(out, backendA, n, "").End(good)
					got := headerOf(out)
					traces = append(traces, isRoot(t, got, false).TraceID())
					if state := got.Get("Tracestate"); (state == "a=1") == w3c {
						t.Errorf("state %q", state)
					}
				}
				x.End(good)
				if traces[0] != traces[1] || len(rig.spans.GetSpans()) != 0 {
					t.Errorf("traces %v, %d spans", traces, len(rig.spans.GetSpans()))
				}
			})
			for _, sampled := range []bool{true, false} {
				t.Run("distrust", func(t *testing.T) {
					c := trusting()
					c.Traces.TrustIncoming = false
					rig := newRig(t, c)
					in := told(p.text, sampled)
					isRoot(t, through(rig, in), true)
					server := stub(t, rig.spans.GetSpans(), trace.SpanKindServer, 0)
					if server.Parent.IsValid() || len(server.Links) != 1 || server.Links[0].SpanContext.SpanID().String() != callersSpan {
						t.Errorf("parent %v, links %v", server.Parent, server.Links)
					}
				})
			}
		})
	}
}

// A caller may write one form of B3 while the other is what we write: then both
// would go on, and say different things.
func TestOneFormOfB3GoesOn(t *testing.T) {
	const single = callersTrace + "-" + callersSpan + "-1"
	multi := []string{"X-B3-TraceId", callersTrace, "X-B3-SpanId", callersSpan, "X-B3-ParentSpanId", "00f067aa0ba902b7", "X-B3-Sampled", "1"}
	for env, in := range map[string][]string{"b3multi": {"B3", single}, "b3": multi} {
		t.Run(env, func(t *testing.T) {
			t.Setenv("OTEL_PROPAGATORS", env)
			rig := newRig(t, trusting())
			got := carry(rig.Observer("web", nil), request("GET", "http://web.local/", in...), good)
			if s := read(rig.tracing.text, got); s.TraceID().String() != callersTrace || s.SpanID() != stub(t, rig.spans.GetSpans(), trace.SpanKindClient, 0).SpanContext.SpanID() {
				t.Errorf("the backend reads %v", s)
			}
			if all := strings.Join(pairs(got), " "); strings.Contains(all, callersSpan) || strings.Contains(all, "Parent") {
				t.Errorf("the caller's is still there: %v", got)
			}
		})
	}
}
