package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// tracing begins spans, and says how a trace goes on to backends.
type tracing struct {
	tracer   trace.Tracer
	sampling sampling
	propagator
	trust  bool                    // a caller's span becomes the parent
	server []trace.SpanStartOption // of an exchange's span
	client []trace.SpanStartOption // of an attempt's
}

// carriage is how one exchange's trace travels on.
type carriage struct {
	tracing *tracing        // nil: the caller's headers pass as they are
	ctx     context.Context // holds the span that attempts come from; nil: begun is all there is
	begun   parent          // of a trace that is not recorded: what all attempts are told, or without tracing what the caller said
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
	onlySampled := t.trust && t.sampling.parentBased
	caller := t.extract(&r.Header, onlySampled)
	if onlySampled && caller.IsValid() && !caller.IsSampled() {
		x.trace.begun.trace = caller.TraceID()
		return
	}
	x.trace.tracing = t
	if t.trust && caller.IsValid() {
		t.start(x, r, trace.ContextWithRemoteSpanContext(context.Background(), caller))
		return
	}
	id, recorded := t.sampling.begin()
	switch {
	case recorded && caller.IsValid():
		t.start(x, r, withBegun(id), trace.WithLinks(trace.Link{SpanContext: caller}))
	case recorded:
		t.start(x, r, withBegun(id))
	case t.w3c:
		x.trace.begun = parent{trace: id, span: newSpanID()}
	default:
		x.trace.ctx = trace.ContextWithSpanContext(context.Background(),
			trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: newSpanID()}))
	}
}

// start starts x's span. No sampler that can be chosen looks at attributes, so
// they are made only for one that is recorded.
func (t *tracing) start(x *exchange, r *message.Request, ctx context.Context, more ...trace.SpanStartOption) {
	ctx, started := t.tracer.Start(ctx, spanName(x.method), append(t.server[:1:1], more...)...)
	x.trace.ctx = ctx
	if started.IsRecording() {
		x.span.Span, x.span.attrs = started, appendExchange(x.span.attrs, x, r)
	}
}

// attempt starts a's span, if the exchange has one, and writes the headers
// that carry the trace.
func (c *carriage) attempt(a *attempt, out *message.Request, server *lb.Server, number int, reason string) {
	switch {
	case c.tracing == nil:
		return
	case c.ctx == nil:
		c.begun.set(&out.Header)
		return
	}
	ctx := c.ctx
	if a.exchange.span.recorded() {
		var started trace.Span
		ctx, started = c.tracing.tracer.Start(ctx, spanName(a.method), c.tracing.client...)
		a.ctx, a.span.Span, a.span.attrs = ctx, started, appendAttempt(a.span.attrs, a, out, server, number, reason)
	}
	c.tracing.inject(ctx, &out.Header)
}
