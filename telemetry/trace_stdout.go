package telemetry

import (
	"context"
	"io"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// stdoutSpans writes spans as the SDK's exporter does, for people to look at: so
// they are read back into what that wants.
type stdoutSpans struct {
	*stdouttrace.Exporter
	from origin
}

func newStdoutSpans(from origin, stdout io.Writer) (*stdoutSpans, error) {
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(stdout))
	return &stdoutSpans{exporter, from}, err
}

// export implements spanExporter.
func (x *stdoutSpans) export(ctx context.Context, wire []byte) error {
	spans, err := unmarshalSpans(wire)
	if err != nil {
		return err
	}
	stubs := make(tracetest.SpanStubs, len(spans))
	for i, s := range spans {
		stubs[i] = x.from.stub(s)
	}
	return x.ExportSpans(ctx, stubs.Snapshots())
}

// stub is a span as the SDK has it.
func (o origin) stub(s *tracepb.Span) tracetest.SpanStub {
	stub := tracetest.SpanStub{
		Name:                 s.Name,
		SpanContext:          spanContext(s.TraceId, s.SpanId, s.TraceState, s.Flags, false),
		SpanKind:             trace.SpanKind(s.Kind), // the numbers are the same
		StartTime:            time.Unix(0, int64(s.StartTimeUnixNano)),
		EndTime:              time.Unix(0, int64(s.EndTimeUnixNano)),
		DroppedAttributes:    int(s.DroppedAttributesCount),
		Resource:             o.resource,
		InstrumentationScope: instrumentation.Scope{Name: scope, Version: o.version, SchemaURL: semconv.SchemaURL},
	}
	if len(s.ParentSpanId) > 0 {
		stub.Parent = spanContext(s.TraceId, s.ParentSpanId, s.TraceState, s.Flags, s.Flags&uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK) != 0)
	}
	if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		stub.Status.Code = codes.Error
	}
	for _, kv := range s.Attributes {
		stub.Attributes = append(stub.Attributes, keyValue(kv))
	}
	for _, l := range s.Links {
		stub.Links = append(stub.Links, sdktrace.Link{SpanContext: spanContext(l.TraceId, l.SpanId, "", l.Flags, true)})
	}
	return stub
}

func spanContext(id, span []byte, state string, flags uint32, remote bool) trace.SpanContext {
	c := trace.SpanContextConfig{TraceID: trace.TraceID(id), SpanID: trace.SpanID(span), TraceFlags: trace.TraceFlags(flags), Remote: remote}
	c.TraceState, _ = trace.ParseTraceState(state) // it was one before
	return trace.NewSpanContext(c)
}

func keyValue(kv *commonpb.KeyValue) attribute.KeyValue {
	key := attribute.Key(kv.Key)
	switch v := kv.Value.Value.(type) {
	case *commonpb.AnyValue_IntValue:
		return key.Int64(v.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return key.Float64(v.DoubleValue)
	}
	return key.String(kv.Value.GetStringValue())
}
