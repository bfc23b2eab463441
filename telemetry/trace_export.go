package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// newSpanProcessors makes a queue for each exporter. None ever blocks: what
// finds no room in a queue (OTEL_BSP_MAX_QUEUE_SIZE, 2048) is dropped.
func newSpanProcessors(ctx context.Context, d destination, e *exports, stdout io.Writer) ([]sdktrace.SpanProcessor, error) {
	var exporters []sdktrace.SpanExporter
	for _, name := range d.exporters {
		exporter, err := newSpanExporter(ctx, name, d, stdout)
		if err != nil {
			for _, made := range exporters {
				err = errors.Join(err, made.Shutdown(ctx))
			}
			return nil, fmt.Errorf("telemetry: traces to %s: %w", name, err)
		}
		exporters = append(exporters, exporter)
	}
	processors := make([]sdktrace.SpanProcessor, len(exporters))
	for i, exporter := range exporters {
		processors[i] = spanQueue{sdktrace.NewBatchSpanProcessor(spanExporter{exporter, e}), e}
	}
	return processors, nil
}

// newSpanExporter makes one exporter. None waits for a connection.
func newSpanExporter(ctx context.Context, name string, d destination, stdout io.Writer) (sdktrace.SpanExporter, error) {
	switch {
	case name == exporterStdout:
		return stdouttrace.New(stdouttrace.WithWriter(stdout))
	case d.protocol == protocolHTTP:
		var options []otlptracehttp.Option
		if d.endpoint != "" {
			options = append(options, otlptracehttp.WithEndpointURL(d.endpoint))
		}
		return otlptracehttp.New(ctx, options...)
	}
	var options []otlptracegrpc.Option
	if d.endpoint != "" {
		options = append(options, otlptracegrpc.WithEndpointURL(d.endpoint))
	}
	return otlptracegrpc.New(ctx, options...)
}
