package telemetry

import (
	"context"
	"crypto/tls"
	"io"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"google.golang.org/grpc/credentials"
)

// newLogProcessors makes a queue of a size for each exporter. None ever blocks:
// what finds no room is dropped, and counted.
func newLogProcessors(ctx context.Context, d destination, size int, e *exports, stdout io.Writer) ([]sdklog.Processor, error) {
	exporters, err := allOrNone(ctx, signalLogs, d.exporters, func(name string) (sdklog.Exporter, error) {
		return newLogExporter(ctx, name, d, stdout)
	})
	if err != nil {
		return nil, err
	}
	processors := make([]sdklog.Processor, len(exporters))
	for i, exporter := range exporters {
		room := newRoom(size, &e.records)
		processors[i] = logQueue{sdklog.NewBatchProcessor(logExporter{exporter, e, room}, sdklog.WithMaxQueueSize(size)), room}
	}
	return processors, nil
}

// newLogExporter makes one exporter. None waits for a connection.
func newLogExporter(ctx context.Context, name string, d destination, stdout io.Writer) (sdklog.Exporter, error) {
	switch {
	case name == exporterStdout:
		return stdoutlog.New(stdoutlog.WithWriter(stdout))
	case d.protocol == protocolHTTP:
		return otlploghttp.New(ctx, otlpOptions[otlploghttp.Option]{
			endpoint: otlploghttp.WithEndpointURL,
			gzip:     otlploghttp.WithCompression(otlploghttp.GzipCompression),
			headers:  otlploghttp.WithHeaders,
			timeout:  otlploghttp.WithTimeout,
			tls:      otlploghttp.WithTLSClientConfig,
		}.of(d)...)
	}
	return otlploggrpc.New(ctx, otlpOptions[otlploggrpc.Option]{
		endpoint: otlploggrpc.WithEndpointURL,
		gzip:     otlploggrpc.WithCompressor(compressionGzip),
		headers:  otlploggrpc.WithHeaders,
		timeout:  otlploggrpc.WithTimeout,
		tls:      func(c *tls.Config) otlploggrpc.Option { return otlploggrpc.WithTLSCredentials(credentials.NewTLS(c)) },
	}.of(d)...)
}
