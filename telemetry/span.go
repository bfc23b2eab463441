package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// span is one under way, or what a trace is known by where there is none to
// record. It is a trace.Span only so that propagators and histograms find it in
// a context, which is made once and is good for all spans that lie here one
// after the other: neither keeps it.
type span struct {
	recording bool              // the record is to be sent
	id        trace.SpanContext // zero: no trace
	began     time.Time
	ended     time.Time // of one that is recording
	record    record
	ctx       context.Context // holds the span; nil until somebody asks
	noop.Span
}

// SpanContext implements trace.Span.
func (s *span) SpanContext() trace.SpanContext { return s.id }

// IsRecording implements trace.Span.
func (s *span) IsRecording() bool { return s.recording }

// context is one with the span in it. It is good as long as the span is.
func (s *span) context() context.Context {
	if s.ctx == nil {
		s.ctx = trace.ContextWithSpan(context.Background(), s)
	}
	return s.ctx
}

// recorded tells that there is a span, and that it is to be sent.
func (s *span) recorded() bool { return s != nil && s.recording }

// measured is the context that a measurement is made in: with a recorded span
// in it the histogram keeps the span as an exemplar.
func (s *span) measured() context.Context {
	if !s.recorded() {
		return context.Background()
	}
	return s.context()
}

// end notes when s ended: it took as long as the metrics have it.
func (s *span) end(took time.Duration) {
	if s.recording {
		s.ended = s.began.Add(took)
	}
}

// forget makes s none again, and keeps the room of its record.
func (s *span) forget() {
	s.id, s.recording = trace.SpanContext{}, false
}
