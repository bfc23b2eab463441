package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The signals there are.
const (
	signalTraces  = "traces"
	signalMetrics = "metrics"
	signalLogs    = "logs"
)

// exports counts what became of telemetry itself, and can cut short whatever
// export is under way: a collector that hangs must not keep the agent from
// ending, and the SDK's queues outlive the context of its Shutdown
// (open-telemetry/opentelemetry-go#8631).
type exports struct {
	ctx  context.Context // ends when exports are to be cut short
	stop context.CancelFunc

	spans, records                          fates
	tracesFailed, metricsFailed, logsFailed atomic.Int64 // exports
}

func newExports() *exports {
	e := new(exports)
	e.ctx, e.stop = context.WithCancel(context.Background())
	return e
}

func (e *exports) observe(o observation) {
	o.fates(telemetrySpans, "ended", &e.spans)
	o.fates(telemetryRecords, "emitted", &e.records)
	for signal, failed := range map[string]*atomic.Int64{
		signalTraces: &e.tracesFailed, signalMetrics: &e.metricsFailed, signalLogs: &e.logsFailed,
	} {
		o.int(telemetryErrors, failed.Load(), attribute.NewSet(labelSignal.String(signal)))
	}
}

// Stats is what became of telemetry itself.
type Stats struct {
	Spans, Records Fates
	Failures       map[string]int64 // exports, by signal
}

// Stats returns what became of telemetry until now.
func (t *Telemetry) Stats() Stats {
	e := t.exports
	return Stats{e.spans.read(), e.records.read(), map[string]int64{
		signalTraces: e.tracesFailed.Load(), signalMetrics: e.metricsFailed.Load(), signalLogs: e.logsFailed.Load(),
	}}
}

func (o observation) fates(name, offered string, f *fates) {
	for word, n := range map[string]*atomic.Int64{offered: &f.offered, "dropped": &f.dropped, "exported": &f.exported, "failed": &f.failed} {
		o.int(name, n.Load(), attribute.NewSet(labelResult.String(word)))
	}
}

// cut is ctx, but ends with the exports too. The caller must call done.
func (e *exports) cut(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(e.ctx, cancel)
	return ctx, func() { release(); cancel() }
}

// logQueue counts the records that a processor is given, and gives it no more
// than there is room for.
type logQueue struct {
	sdklog.Processor
	room *room
}

// OnEmit implements sdklog.Processor.
func (q logQueue) OnEmit(ctx context.Context, r *sdklog.Record) error {
	if !q.room.take() {
		return nil
	}
	return q.Processor.OnEmit(ctx, r)
}

// Shutdown implements sdklog.Processor.
func (q logQueue) Shutdown(ctx context.Context) error {
	q.room.closed.Store(true)
	return q.Processor.Shutdown(ctx)
}

// logExporter counts the records that leave.
type logExporter struct {
	sdklog.Exporter
	*exports
	room *room
}

// Export implements sdklog.Exporter.
func (x logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	if len(records) == 0 { // as at the end
		return nil
	}
	ctx, done := x.cut(ctx)
	defer done()
	err := x.Exporter.Export(ctx, records)
	x.room.leave(len(records), err)
	if err != nil {
		x.logsFailed.Add(1)
		return fmt.Errorf("telemetry: export of logs: %w", err)
	}
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

// allOrNone makes an exporter of each name. Where one cannot be made, those
// made before are ended.
func allOrNone[E interface{ Shutdown(context.Context) error }](ctx context.Context, signal string, names []string, construct func(name string) (E, error)) ([]E, error) {
	var all []E
	for _, name := range names {
		exporter, err := construct(name)
		if err != nil {
			for _, made := range all {
				err = errors.Join(err, made.Shutdown(ctx))
			}
			return nil, fmt.Errorf("telemetry: %s to %s: %w", signal, name, err)
		}
		all = append(all, exporter)
	}
	return all, nil
}
