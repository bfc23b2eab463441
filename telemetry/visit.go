package telemetry

import (
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
)

// Visited tells of a TCP connection of an upstream, at its end. Where spans of
// such are wanted it is one, and a trace of its own, as no header says whose it
// might be.
func (t *Telemetry) Visited(upstream string, c Choosing, v proxy.Visit) {
	if t.tracing != nil && t.tracing.visits {
		t.tracing.visit(upstream, c, v)
	}
}

func (t *tracing) visit(upstream string, c Choosing, v proxy.Visit) {
	id := newTraceID()
	if !t.records(id) {
		return
	}
	begun := trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, TraceFlags: trace.FlagsSampled})
	var s span
	t.start(&s, begun, trace.SpanContext{}, tracepb.Span_SPAN_KIND_CLIENT, t.named("TCP", upstream), time.Now().Add(-v.Took))
	f := ofAttempt(v.Result)
	s.record.visit(upstream, c, v, f)
	s.end(v.Took)
	t.send(&s, f)
}

// visit describes a TCP connection, of which there are no conventions.
func (s *record) visit(upstream string, c Choosing, v proxy.Visit, f failure) {
	s.string(semconv.NetworkTransportKey, "tcp")
	s.string(keyUpstream, upstream)
	s.string(semconv.ServicePeerNameKey, upstream)
	if v.Client.IsValid() { // a unix socket has none
		s.string(semconv.ClientAddressKey, v.Client.Unmap().String())
	}
	s.int(keyAttempts, v.Attempts)
	s.string(keyOutcome, outcomeOf(v.Result, f))
	if c != nil {
		s.string(keyStrategy, c.Choice(nil).Strategy)
	}
	if v.Server != nil {
		s.backend(v.Server)
	}
	s.result(v.Result, f)
}
