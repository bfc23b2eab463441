package telemetry

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The signals there are.
const (
	signalTraces  = "traces"
	signalMetrics = "metrics"
)

// exports counts what became of telemetry itself, and can cut short whatever
// export is under way: a collector that hangs must not keep the agent from
// ending, and the SDK's queue outlives the context of its Shutdown
// (open-telemetry/opentelemetry-go#8631).
type exports struct {
	ctx  context.Context // ends when exports are to be cut short
	stop context.CancelFunc

	ended, exported, failed     atomic.Int64 // spans
	tracesFailed, metricsFailed atomic.Int64 // exports
}

func newExports() *exports {
	e := new(exports)
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

func (e *exports) observe(o observation) {
	result := func(word string) attribute.Set { return attribute.NewSet(labelResult.String(word)) }
	o.int(telemetrySpans, e.ended.Load(), result("ended"))
	o.int(telemetrySpans, e.exported.Load(), result("exported"))
	o.int(telemetrySpans, e.failed.Load(), result("failed"))
	o.int(telemetryErrors, e.tracesFailed.Load(), attribute.NewSet(labelSignal.String(signalTraces)))
	o.int(telemetryErrors, e.metricsFailed.Load(), attribute.NewSet(labelSignal.String(signalMetrics)))
}

// cut is ctx, but ends with the exports too. The caller must call done.
func (e *exports) cut(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(e.ctx, cancel)
	return ctx, func() { release(); cancel() }
}

// spanQueue counts the spans that a processor is given.
type spanQueue struct {
	sdktrace.SpanProcessor
	*exports
}

// OnEnd implements sdktrace.SpanProcessor.
func (q spanQueue) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		q.ended.Add(1)
	}
	q.SpanProcessor.OnEnd(s)
}

// spanExporter counts the spans that leave.
type spanExporter struct {
	sdktrace.SpanExporter
	*exports
}

// ExportSpans implements sdktrace.SpanExporter.
func (x spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, done := x.cut(ctx)
	defer done()
	if err := x.SpanExporter.ExportSpans(ctx, spans); err != nil {
		x.tracesFailed.Add(1)
		x.failed.Add(int64(len(spans)))
		return fmt.Errorf("telemetry: export of traces: %w", err)
	}
	x.exported.Add(int64(len(spans)))
	return nil
}

// metricExporter counts failures.
type metricExporter struct {
	sdkmetric.Exporter
	*exports
}

// Export implements sdkmetric.Exporter.
func (x metricExporter) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	ctx, done := x.cut(ctx)
	defer done()
	if err := x.Exporter.Export(ctx, m); err != nil {
		x.metricsFailed.Add(1)
		return fmt.Errorf("telemetry: export of metrics: %w", err)
	}
	return nil
}
