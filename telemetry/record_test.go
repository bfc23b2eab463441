package telemetry

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// upload is a client that keeps what would be sent, as a receiver reads it.
type upload struct {
	otlptrace.Client
	t    testing.TB
	sent coltrace.ExportTraceServiceRequest
}

func (u *upload) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	b, err := proto.Marshal(&coltrace.ExportTraceServiceRequest{ResourceSpans: spans})
	if err != nil {
		u.t.Fatal(err)
	}
	return proto.Unmarshal(b, &u.sent)
}

// fixed are IDs to be drawn.
type fixed struct {
	trace trace.TraceID
	span  trace.SpanID
}

func (f fixed) NewIDs(context.Context) (trace.TraceID, trace.SpanID)  { return f.trace, f.span }
func (f fixed) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return f.span }

// spanned is what a span is made of.
type spanned struct {
	parent   trace.SpanContext // zero: none
	link     trace.SpanContext // zero: none
	kind     trace.SpanKind
	failed   bool
	attrs    []attribute.KeyValue
	from, to time.Time
}

// bySDK is s as the SDK sends it.
func (s spanned) bySDK(t *testing.T, about origin, ids fixed) *coltrace.ExportTraceServiceRequest {
	client := &upload{t: t}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithResource(about.resource), sdktrace.WithIDGenerator(ids),
		sdktrace.WithSyncer(otlptrace.NewUnstarted(client)), sdktrace.WithSampler(sdktrace.AlwaysSample()),
	)
	options := []trace.SpanStartOption{trace.WithSpanKind(s.kind), trace.WithTimestamp(s.from)}
	if s.link.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: s.link}))
	}
	ctx := trace.ContextWithSpanContext(t.Context(), s.parent)
	_, span := provider.Tracer(scope, trace.WithInstrumentationVersion(about.version), trace.WithSchemaURL(semconv.SchemaURL)).Start(ctx, "GET", options...)
	span.SetAttributes(s.attrs...)
	if s.failed {
		span.SetStatus(codes.Error, "")
	}
	span.End(trace.WithTimestamp(s.to))
	return &client.sent
}

// byUs is s as it is sent here.
func (s spanned) byUs(t *testing.T, about origin, ids fixed) *coltrace.ExportTraceServiceRequest {
	id := s.parent.WithSpanID(ids.span).WithRemote(false).WithTraceFlags(s.parent.TraceFlags().WithSampled(true))
	if !s.parent.IsValid() {
		id = id.WithTraceID(ids.trace)
	}
	var r record
	r.reset(newSpanLimits())
	r.begin(id, s.parent, tracepb.Span_SpanKind(s.kind), "GET", s.from)
	if s.link.IsValid() {
		r.link(s.link)
	}
	for _, kv := range s.attrs {
		switch v := kv.Value; v.Type() {
		case attribute.INT64:
			r.int(kv.Key, int(v.AsInt64()))
		case attribute.FLOAT64:
			r.float(kv.Key, v.AsFloat64())
		default:
			r.string(kv.Key, v.AsString())
		}
	}
	r.end(s.to, s.failed)
	client := &upload{t: t}
	x := about.otlp(client)
	if err := x.export(t.Context(), protowire.AppendBytes([]byte{tagSpan}, r.wire)); err != nil {
		t.Fatal(err)
	}
	return &client.sent
}

// What is sent is to the last bit what the SDK would send of the same span.
func TestRecordIsTheSDKs(t *testing.T) {
	clearEnv(t)
	about, err := newResource(t.Context(), Config{Version: "1.2.3", App: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	state, err := trace.ParseTraceState("vendor=1,other=x")
	if err != nil {
		t.Fatal(err)
	}
	ids := fixed{newTraceID(), newSpanID()}
	local := trace.NewSpanContext(trace.SpanContextConfig{TraceID: newTraceID(), SpanID: newSpanID(), TraceFlags: trace.FlagsSampled | trace.FlagsRandom, TraceState: state})
	remote := local.WithRemote(true)
	from := time.Now()
	attrs := []attribute.KeyValue{
		attribute.String("empty", ""), attribute.String("http.request.method", "GET"), attribute.String("long", strings.Repeat("é", 300)),
		attribute.Int("zero", 0), attribute.Int("port", 65535), attribute.Int("negative", -1), attribute.Int("large", math.MaxInt),
		attribute.Float64("age", 1.5), attribute.Float64("none", 0), attribute.String("replaced", "a\uFFFDb"),
	}
	for name, s := range map[string]spanned{
		"root":                   {kind: trace.SpanKindServer, attrs: attrs},
		"root, failed":           {kind: trace.SpanKindServer, failed: true},
		"child of a caller":      {kind: trace.SpanKindServer, parent: remote, attrs: attrs[:2]},
		"child of ours":          {kind: trace.SpanKindClient, parent: local, failed: true, attrs: attrs[2:]},
		"linked":                 {kind: trace.SpanKindServer, link: remote, attrs: attrs},
		"linked to an unsampled": {kind: trace.SpanKindServer, link: remote.WithTraceFlags(0)},
	} {
		for variables, set := range map[string]map[string]string{
			"":           {},
			"few":        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "3", "OTEL_ATTRIBUTE_COUNT_LIMIT": "9"},
			"none":       {"OTEL_ATTRIBUTE_COUNT_LIMIT": "0", "OTEL_SPAN_LINK_COUNT_LIMIT": "0"},
			"all":        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1", "OTEL_SPAN_LINK_COUNT_LIMIT": "1"},
			"short":      {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "2"},
			"very short": {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "0", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "9"},
			"odd":        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "few", "OTEL_ATTRIBUTE_COUNT_LIMIT": "1"},
		} {
			t.Run(name+" "+variables, func(t *testing.T) {
				for key, value := range set {
					t.Setenv(key, value)
				}
				s.from, s.to = from, from.Add(1234567)
				about := origin{about, "1.2.3"}
				got, want := s.byUs(t, about, ids), s.bySDK(t, about, ids)
				if !proto.Equal(got, want) {
					t.Errorf("ours: %v\nthe SDK's: %v", got, want)
				}
			})
		}
	}
}

// Whatever a span is told, a receiver reads just that.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("0123456789abcdef01234567"), []byte("parent"), "GET", "user_agent.original", "app/1", int64(200), 1.5, int64(1), true, uint8(3), 7)
	f.Add([]byte{}, []byte{}, "", "", "\xff", int64(-1), math.Inf(1), int64(-1), false, uint8(0), -1)
	f.Fuzz(func(t *testing.T, ids, parentID []byte, name, key, value string, whole int64, real float64, took int64, failed bool, count uint8, length int) {
		if name == "" || key == "" || len(key) > 127 || !utf8.ValidString(key) || !utf8.ValidString(name) {
			return // those are ours
		}
		var c, p trace.SpanContextConfig
		copy(c.TraceID[:], ids)
		copy(c.SpanID[:], ids[min(len(ids), len(c.TraceID)):])
		copy(p.SpanID[:], parentID)
		c.TraceFlags, p.Remote = trace.TraceFlags(count), failed
		id, parent := trace.NewSpanContext(c), trace.NewSpanContext(p)
		limits := spanLimits{count: int(count), length: length, links: int(count)}
		at := time.Unix(0, math.MaxInt64/2)
		end := at.Add(time.Duration(took))

		r := record{wire: []byte("of another span"), given: 3, dropped: 1}
		r.reset(limits)
		r.begin(id, parent, tracepb.Span_SPAN_KIND_CLIENT, name, at)
		r.string(attribute.Key(key), value)
		r.link(id)
		r.int(attribute.Key(key), int(whole))
		r.float(attribute.Key(key), real)
		r.end(end, failed)

		want := &tracepb.Span{
			TraceId: c.TraceID[:], SpanId: c.SpanID[:], Name: name, Kind: tracepb.Span_SPAN_KIND_CLIENT,
			StartTimeUnixNano: uint64(at.UnixNano()), EndTimeUnixNano: uint64(end.UnixNano()),
			Status: &tracepb.Status{}, Flags: uint32(count) | 0x100,
		}
		if parent.SpanID().IsValid() {
			want.ParentSpanId = p.SpanID[:]
		}
		if failed {
			want.Status.Code, want.Flags = tracepb.Status_STATUS_CODE_ERROR, want.Flags|0x200
		}
		if count > 0 {
			want.Links = []*tracepb.Span_Link{{TraceId: c.TraceID[:], SpanId: c.SpanID[:], Flags: uint32(count) | 0x100}}
		}
		shown := []rune(text(value))
		if length >= 0 && length < len(shown) {
			shown = shown[:length]
		}
		for i, v := range []*commonpb.AnyValue{
			{Value: &commonpb.AnyValue_StringValue{StringValue: string(shown)}},
			{Value: &commonpb.AnyValue_IntValue{IntValue: whole}},
			{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: real}},
		} {
			if i < int(count) {
				want.Attributes = append(want.Attributes, &commonpb.KeyValue{Key: key, Value: v})
			} else {
				want.DroppedAttributesCount++
			}
		}
		var got tracepb.Span
		if err := proto.Unmarshal(r.wire, &got); err != nil {
			t.Fatalf("%x: %v", r.wire, err)
		}
		if !proto.Equal(&got, want) {
			t.Fatalf("%v, not %v", &got, want)
		}
		if again, err := proto.Marshal(&got); err != nil || len(again) != len(r.wire) {
			t.Fatalf("%x could be %x; %v", r.wire, again, err)
		}
	})
}
