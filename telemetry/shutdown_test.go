package telemetry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// An exporter that heeds nothing keeps Shutdown no longer than the rest.
func TestShutdownOfADeafExporter(t *testing.T) {
	for _, signal := range []string{signalTraces, signalMetrics, signalLogs} {
		t.Run(signal, func(t *testing.T) {
			release := make(chan struct{})
			e := newExports()
			deaf := func(context.Context) error { <-release; return nil }
			p := pipeline{exports: e}
			switch signal {
			case signalTraces:
				p.processors = append(p.processors, endlessProcessor{end: deaf})
			case signalMetrics:
				p.readers = append(p.readers, endlessReader{Reader: sdkmetric.NewManualReader(), end: deaf})
			default:
				p.queues = append(p.queues, endlessQueue{end: deaf})
			}
			tel := &Telemetry{pipeline: p, report: new(reporter), timeout: 100 * time.Millisecond}
			start := time.Now()
			if err := tel.Shutdown(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("it took %v", took)
			}
			close(release)
		})
	}
	t.Run("the caller's context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		release := make(chan struct{})
		defer close(release)
		tel := &Telemetry{report: new(reporter), timeout: time.Hour, pipeline: pipeline{exports: newExports()}}
		tel.processors = append(tel.processors, endlessProcessor{end: func(context.Context) error { <-release; return nil }})
		if err := tel.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// Traces that hang leave metrics their time.
func TestShutdownSharesTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, flushed := make(chan struct{}), make(chan struct{})
		tel := &Telemetry{report: new(reporter), timeout: time.Hour, pipeline: pipeline{exports: newExports()}}
		tel.processors = append(tel.processors, endlessProcessor{end: func(context.Context) error { <-release; return nil }})
		tel.readers = append(tel.readers, endlessReader{end: func(context.Context) error { close(flushed); return nil }})
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- tel.Shutdown(t.Context()) }()
		<-flushed
		if took := time.Since(start); took != tel.timeout/2 {
			t.Errorf("metrics waited %v", took)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

type endlessQueue struct {
	sdklog.Processor
	end func(context.Context) error
}

func (q endlessQueue) Shutdown(ctx context.Context) error { return q.end(ctx) }

// endlessProcessor and its like end when end does.
type endlessProcessor struct {
	spanProcessor
	end func(context.Context) error
}

func (p endlessProcessor) Shutdown(ctx context.Context) error { return p.end(ctx) }

type endlessReader struct {
	sdkmetric.Reader
	end func(context.Context) error
}

func (r endlessReader) Shutdown(ctx context.Context) error { return r.end(ctx) }
