package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const (
	headerTraceparent = "Traceparent"
	headerTracestate  = "Tracestate"
)

// propagator reads and writes the headers by which a trace goes on.
type propagator struct {
	w3c    bool // W3C Trace Context and nothing else
	text   propagation.TextMapPropagator
	fields []string // canonical names of the headers that are its own
}

// newPropagator makes what OTEL_PROPAGATORS names; "" means tracecontext. The
// error is for people: the propagator can be used nonetheless. Baggage is left
// out, since it is to pass verbatim, which it does when nobody touches it.
func newPropagator(list string) (propagator, error) {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" && name != "baggage" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if strings.TrimSpace(list) == "" {
		names = []string{"tracecontext"}
	}
	text, err := autoprop.TextMapPropagator(names...)
	if err != nil {
		err = fmt.Errorf("telemetry: OTEL_PROPAGATORS=%s: %w", list, err)
		if text == nil {
			text, names = propagation.TraceContext{}, []string{"tracecontext"}
		}
	}
	p := propagator{text: text}
	_, p.w3c = text.(propagation.TraceContext)
	for _, field := range text.Fields() {
		p.fields = append(p.fields, http.CanonicalHeaderKey(field))
	}
	if slices.Contains(names, "b3") || slices.Contains(names, "b3multi") {
		// Both forms are read whichever is written, so a stale one must go.
		p.fields = append(p.fields, "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags")
	}
	return p, err
}

// extract finds the caller's span, invalid where there is none. With only the
// sampled of interest, one that is not comes without its vendors' state.
func (p propagator) extract(h http.Header, onlySampled bool) trace.SpanContext {
	if !p.w3c {
		return trace.SpanContextFromContext(p.text.Extract(context.Background(), propagation.HeaderCarrier(h)))
	}
	values := h[headerTraceparent]
	if len(values) != 1 {
		return trace.SpanContext{}
	}
	caller, ok := parseTraceparent(values[0])
	switch {
	case !ok:
		return trace.SpanContext{}
	case onlySampled && !caller.flags.IsSampled():
		return caller.context(nil)
	}
	return caller.context(h[headerTracestate])
}

// inject makes the span in ctx the parent of whoever reads h. What h said
// before is deleted, since not all of it is written again: a trace that begins
// here must not keep a state that belongs to another.
func (p propagator) inject(ctx context.Context, h http.Header) {
	for _, field := range p.fields {
		delete(h, field)
	}
	p.text.Inject(ctx, propagation.HeaderCarrier(h))
}
