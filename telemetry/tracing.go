package telemetry

import (
	"time"

	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// tracing begins spans, and says how a trace goes on to backends.
type tracing struct {
	sampling
	propagator
	trust        bool // a caller's span becomes the parent
	attemptsOnly bool // there is no span of an exchange: those of attempts have its place
	byUpstream   bool // spans are called by the upstream too
	visits       bool // TCP connections have spans
	limits       spanLimits
	processors   []spanProcessor
}

// begin decides on x's trace by the caller's headers.
//
//   - A caller who does not record is let be: the headers go through, and there
//     is no span (W3C Trace Context section 4.3, forwarding).
//   - A caller who does gets a child.
//   - Where there is no caller, or none to believe, a trace begins; it tells
//     of itself even when it is not recorded, so that those after it decide
//     alike.
func (t *tracing) begin(x *exchange, r *message.Request) {
	onlySampled := t.trust && t.parentBased
	caller := t.extract(&r.Header, onlySampled)
	if onlySampled && caller.IsValid() && !caller.IsSampled() {
		x.span.id = caller
		return
	}
	x.tells = true
	parent := caller
	if !t.trust || !caller.IsValid() {
		parent = trace.NewSpanContext(trace.SpanContextConfig{TraceID: newTraceID()})
	}
	if !onlySampled || !caller.IsValid() {
		parent = parent.WithTraceFlags(parent.TraceFlags().WithSampled(t.records(parent.TraceID())))
	}
	if !parent.IsSampled() {
		x.span.id = parent.WithSpanID(newSpanID()).WithRemote(false)
		return
	}
	if !t.trust {
		x.link = caller
	}
	if t.attemptsOnly {
		x.span.id = parent
		return
	}
	t.start(&x.span, parent, x.link, tracepb.Span_SPAN_KIND_SERVER, x.shared[x.method].name, time.Now())
	x.span.record.exchange(x, r)
}

// start starts s, as a child of the parent where that has a span, and with the
// link where it is one.
func (t *tracing) start(s *span, parent, link trace.SpanContext, kind tracepb.Span_SpanKind, name string, at time.Time) {
	s.id = parent.WithSpanID(newSpanID()).WithRemote(false)
	s.recording, s.began = true, at
	s.record.reset(t.limits)
	s.record.begin(s.id, parent, kind, name, at)
	if link.IsValid() {
		s.record.link(link)
	}
}

// send hands on s, which has ended.
func (t *tracing) send(s *span, f failure) {
	s.record.end(s.ended, f != noFailure)
	for _, p := range t.processors {
		p.put(s.record.wire)
	}
}

// attempt starts a's span, if the exchange is recorded, and writes the headers
// that carry the trace.
func (t *tracing) attempt(a *attempt, out *message.Request, server *lb.Server, number int, reason string) {
	goesOn, client := &a.exchange.span, &a.span
	switch {
	case goesOn.recording:
		// By the clock that nobody sets, so that no child begins before its parent.
		now := goesOn.began.Add(time.Since(goesOn.began))
		t.start(client, goesOn.id, trace.SpanContext{}, tracepb.Span_SPAN_KIND_CLIENT, a.shared[a.method].name, now)
	case t.attemptsOnly && goesOn.id.IsSampled():
		t.start(client, goesOn.id, a.link, tracepb.Span_SPAN_KIND_CLIENT, a.shared[a.method].name, time.Now())
	}
	if client.recording {
		client.record.attempt(a, out, server, number, reason)
		goesOn = client
	}
	t.inject(goesOn, &out.Header)
}
