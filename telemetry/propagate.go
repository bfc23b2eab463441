package telemetry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// propagator reads and writes the headers by which a trace goes on.
type propagator struct {
	w3c    bool // W3C Trace Context and nothing else
	text   propagation.TextMapPropagator
	fields []string // names of the headers that are its own
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
	p.fields = append(p.fields, text.Fields()...)
	if slices.Contains(names, "b3") || slices.Contains(names, "b3multi") {
		// Both forms are read whichever is written, so a stale one must go.
		p.fields = append(p.fields, "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags")
	}
	return p, err
}

// extract finds the caller's span, invalid where there is none. With only the
// sampled of interest, one that is not comes without its vendors' state.
func (p propagator) extract(h *message.Header, onlySampled bool) trace.SpanContext {
	if !p.w3c {
		return trace.SpanContextFromContext(p.text.Extract(context.Background(), carrier{h}))
	}
	value, one := only(h, message.Traceparent)
	if !one {
		return trace.SpanContext{}
	}
	caller, ok := parseTraceparent(value)
	switch {
	case !ok:
		return trace.SpanContext{}
	case onlySampled && !caller.flags.IsSampled():
		return caller.context(nil)
	}
	var states []string
	for f := range h.All() {
		if f.Key == message.Tracestate {
			states = append(states, string(f.Value))
		}
	}
	return caller.context(states)
}

// CallersTrace is the trace that a request belongs to by its traceparent, for
// those who have no Traced to ask; zero where there is none.
func CallersTrace(h *message.Header) [16]byte {
	if value, one := only(h, message.Traceparent); one {
		p, _ := parseTraceparent(value)
		return p.trace
	}
	return [16]byte{}
}

// only is the value of a field that must occur once.
func only(h *message.Header, n message.Name) (value []byte, one bool) {
	for f := range h.All() {
		if f.Key == n {
			if one {
				return nil, false
			}
			value, one = f.Value, true
		}
	}
	return value, one
}

// inject makes s the parent of whoever reads h. What h said before is deleted,
// since not all of it is written again: a trace that begins here must not keep a
// state that belongs to another.
func (p propagator) inject(s *span, h *message.Header) {
	if p.w3c {
		parent{s.id.TraceID(), s.id.SpanID(), s.id.TraceFlags()}.set(h)
		if state := s.id.TraceState(); state.Len() > 0 {
			h.Add(message.Tracestate, state.String())
		}
		return
	}
	for _, field := range p.fields {
		h.DelNamed(field)
	}
	p.text.Inject(s.context(), carrier{h})
}

// set makes p all that h says of a trace by W3C Trace Context.
func (p parent) set(h *message.Header) {
	h.Del(message.Tracestate)
	h.Del(message.Traceparent)
	h.Append(message.Known(message.Traceparent, h.Keep(p.append(h.Room()))))
}

// carrier is a header as propagators want it.
type carrier struct{ *message.Header }

func (c carrier) Get(key string) string { return string(c.GetNamed(key)) }
func (c carrier) Set(key, value string) { c.SetNamed(key, value) }
func (c carrier) Keys() (keys []string) {
	for f := range c.All() {
		keys = append(keys, string(f.Name))
	}
	return keys
}
