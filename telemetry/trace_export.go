package telemetry

import (
	"context"
	"crypto/tls"
	"io"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"
)

// origin is where spans come from.
type origin struct {
	resource *resource.Resource // nil: not known
	version  string             // of the agent
}

// newSpanQueues makes a queue for each exporter.
func newSpanQueues(ctx context.Context, d destination, b batching, from origin, e *exports, stdout io.Writer) ([]spanProcessor, error) {
	exporters, err := allOrNone(ctx, signalTraces, d.exporters, func(name string) (spanExporter, error) {
		if name == exporterStdout {
			return newStdoutSpans(from, stdout)
		}
		return newOTLPSpans(ctx, d, from)
	})
	if err != nil {
		return nil, err
	}
	queues := make([]spanProcessor, len(exporters))
	for i, exporter := range exporters {
		queues[i] = newSpanQueue(b, e, exporter)
	}
	return queues, nil
}

// otlpSpans sends spans by OTLP. The messages around them are made once; the
// spans are put in as they are, in place of a field that the message does not
// know, so that to marshal it is to copy them.
type otlpSpans struct {
	client otlptrace.Client
	all    []*tracepb.ResourceSpans
	scope  *tracepb.ScopeSpans
	json   bool // which needs the spans to be known
}

// newOTLPSpans makes an exporter, which does not wait for a connection.
func newOTLPSpans(ctx context.Context, d destination, from origin) (*otlpSpans, error) {
	client := newSpanClient(d)
	if err := client.Start(ctx); err != nil {
		return nil, err
	}
	x := from.otlp(client)
	protocol, _ := otlpVariable(signalTraces, "PROTOCOL")
	x.json = protocol == "http/json" // the client looks for itself
	return x, nil
}

// otlp makes the messages around spans that come from there.
func (o origin) otlp(client otlptrace.Client) *otlpSpans {
	spans := &tracepb.ScopeSpans{
		Scope:     &commonpb.InstrumentationScope{Name: scope, Version: o.version},
		SchemaUrl: semconv.SchemaURL,
	}
	return &otlpSpans{client: client, scope: spans, all: []*tracepb.ResourceSpans{{
		Resource:   o.message(),
		ScopeSpans: []*tracepb.ScopeSpans{spans},
		SchemaUrl:  o.resource.SchemaURL(),
	}}}
}

// export implements spanExporter.
func (x *otlpSpans) export(ctx context.Context, wire []byte) error {
	if x.json {
		spans, err := unmarshalSpans(wire)
		if err != nil {
			return err
		}
		x.scope.Spans = spans
	} else {
		x.scope.ProtoReflect().SetUnknown(wire)
	}
	return x.client.UploadTraces(ctx, x.all)
}

// Shutdown implements spanExporter.
func (x *otlpSpans) Shutdown(ctx context.Context) error { return x.client.Stop(ctx) }

// unmarshalSpans reads what an exporter is given.
func unmarshalSpans(wire []byte) ([]*tracepb.Span, error) {
	var s tracepb.ScopeSpans
	if err := proto.Unmarshal(wire, &s); err != nil {
		return nil, err
	}
	return s.Spans, nil
}

// message is the resource as OTLP has it. Nothing that finds out about where
// the agent runs says more than texts and whole numbers.
func (o origin) message() *resourcepb.Resource {
	m := new(resourcepb.Resource)
	for _, kv := range o.resource.Attributes() {
		value := &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(kv.Value.String(), "\uFFFD")}}
		if kv.Value.Type() == attribute.INT64 {
			value.Value = &commonpb.AnyValue_IntValue{IntValue: kv.Value.AsInt64()}
		}
		m.Attributes = append(m.Attributes, &commonpb.KeyValue{Key: string(kv.Key), Value: value})
	}
	return m
}

func newSpanClient(d destination) otlptrace.Client {
	if d.protocol == protocolHTTP {
		return otlptracehttp.NewClient(otlpOptions[otlptracehttp.Option]{
			endpoint: otlptracehttp.WithEndpointURL,
			gzip:     otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
			headers:  otlptracehttp.WithHeaders,
			timeout:  otlptracehttp.WithTimeout,
			tls:      otlptracehttp.WithTLSClientConfig,
		}.of(d)...)
	}
	return otlptracegrpc.NewClient(otlpOptions[otlptracegrpc.Option]{
		endpoint: otlptracegrpc.WithEndpointURL,
		gzip:     otlptracegrpc.WithCompressor(compressionGzip),
		headers:  otlptracegrpc.WithHeaders,
		timeout:  otlptracegrpc.WithTimeout,
		tls: func(c *tls.Config) otlptracegrpc.Option {
			return otlptracegrpc.WithTLSCredentials(credentials.NewTLS(c))
		},
	}.of(d)...)
}
