package agent

import (
	"maps"
	"slices"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"go.opentelemetry.io/otel/attribute"

	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// declared holds what was emitted against what is declared, both ways.
func (p *paced) declared(t *testing.T) {
	r := telemetry.Declared()
	compare := func(what string, got map[string]bool, keys []attribute.Key, maybe ...attribute.Key) {
		t.Helper()
		for key := range got {
			if !slices.Contains(keys, attribute.Key(key)) {
				t.Errorf("%s has %s, which is not declared", what, key)
			}
		}
		for _, key := range keys {
			if !got[string(key)] && !slices.Contains(maybe, key) {
				t.Errorf("%s never has %s, which is declared", what, key)
			}
		}
	}
	compare("the resource", keysOf(p.resource), r.Resource, "container.id") // of which there may be none here

	metrics := make(map[string]bool)
	for _, m := range r.Metrics {
		metrics[m.Name] = true
		got := p.metrics[m.Name]
		if got == nil {
			if m.Name != "go.memory.limit" { // nobody has set one
				t.Errorf("%s is declared and never emitted", m.Name)
			}
			continue
		}
		if got.Unit != m.Unit || instrumentOf(got) != m.Kind || got.Description != m.Description {
			t.Errorf("%s is a %s in %q: %s", m.Name, instrumentOf(got), got.Unit, got.Description)
		}
		compare(m.Name, p.labels[m.Name], m.Attributes)
	}
	for name := range p.metrics {
		if !metrics[name] {
			t.Errorf("%s is emitted and not declared", name)
		}
	}

	spans := map[tracepb.Span_SpanKind]map[string]bool{}
	for _, s := range p.spans {
		if spans[s.Kind] == nil {
			spans[s.Kind] = make(map[string]bool)
		}
		maps.Copy(spans[s.Kind], keysOf(s.Attributes))
	}
	for _, s := range r.Spans {
		kind := tracepb.Span_SPAN_KIND_SERVER
		if s.Kind == "client" {
			kind = tracepb.Span_SPAN_KIND_CLIENT
		}
		compare(s.ID, spans[kind], s.Attributes)
		delete(spans, kind)
	}
	if len(spans) > 0 {
		t.Errorf("spans of other kinds: %v", spans)
	}

	events := make(map[string]map[string]bool)
	for _, e := range p.records {
		if e.EventName == "" {
			continue // a line of the log has the fields that it has
		}
		if events[e.EventName] == nil {
			events[e.EventName] = make(map[string]bool)
		}
		maps.Copy(events[e.EventName], keysOf(e.Attributes))
	}
	for _, e := range r.Events {
		if events[e.Name] == nil {
			t.Errorf("%s is declared and never emitted", e.Name)
			continue
		}
		compare(e.Name, events[e.Name], e.Attributes)
		delete(events, e.Name)
	}
	if len(events) > 0 {
		t.Errorf("emitted and not declared: %v", events)
	}
}

func keysOf(attrs []*commonpb.KeyValue) map[string]bool {
	keys := make(map[string]bool)
	for _, kv := range attrs {
		keys[kv.Key] = true
	}
	return keys
}

func instrumentOf(m *metricspb.Metric) telemetry.Kind {
	switch {
	case m.GetHistogram() != nil:
		return telemetry.Histogram
	case m.GetGauge() != nil:
		return telemetry.Gauge
	case m.GetSum().GetIsMonotonic():
		return telemetry.Counter
	}
	return telemetry.UpDownCounter
}
