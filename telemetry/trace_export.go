package telemetry

import (
	"context"
	"crypto/tls"
	"io"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
)

// newSpanProcessors makes a queue of a size for each exporter. None ever
// blocks: what finds no room is dropped, and counted.
func newSpanProcessors(ctx context.Context, d destination, size int, e *exports, stdout io.Writer) ([]sdktrace.SpanProcessor, error) {
	exporters, err := allOrNone(ctx, signalTraces, d.exporters, func(name string) (sdktrace.SpanExporter, error) {
		return newSpanExporter(ctx, name, d, stdout)
	})
	if err != nil {
		return nil, err
	}
	processors := make([]sdktrace.SpanProcessor, len(exporters))
	for i, exporter := range exporters {
		room := newRoom(size, &e.spans)
		processors[i] = spanQueue{sdktrace.NewBatchSpanProcessor(spanExporter{exporter, e, room}, sdktrace.WithMaxQueueSize(size)), room}
	}
	return processors, nil
}

// newSpanExporter makes one exporter. None waits for a connection.
func newSpanExporter(ctx context.Context, name string, d destination, stdout io.Writer) (sdktrace.SpanExporter, error) {
	switch {
	case name == exporterStdout:
		return stdouttrace.New(stdouttrace.WithWriter(stdout))
	case d.protocol == protocolHTTP:
		return otlptracehttp.New(ctx, otlpOptions[otlptracehttp.Option]{
			endpoint: otlptracehttp.WithEndpointURL,
			gzip:     otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
			headers:  otlptracehttp.WithHeaders,
			timeout:  otlptracehttp.WithTimeout,
			tls:      otlptracehttp.WithTLSClientConfig,
		}.of(d)...)
	}
	return otlptracegrpc.New(ctx, otlpOptions[otlptracegrpc.Option]{
		endpoint: otlptracegrpc.WithEndpointURL,
		gzip:     otlptracegrpc.WithCompressor(compressionGzip),
		headers:  otlptracegrpc.WithHeaders,
		timeout:  otlptracegrpc.WithTimeout,
		tls: func(c *tls.Config) otlptracegrpc.Option {
			return otlptracegrpc.WithTLSCredentials(credentials.NewTLS(c))
		},
	}.of(d)...)
}
