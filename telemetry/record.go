package telemetry

import (
	"encoding/binary"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// record is a span as OTLP has it on the wire, a message
// opentelemetry.proto.trace.v1.Span, which allows its fields to stand in any
// order: so they are written as they become known, and what is sent in the end
// is these bytes. The SDK keeps each attribute in memory of its own, and makes
// messages of them to be written, at ten times the cost.
type record struct {
	wire    []byte
	limits  spanLimits
	given   int    // attributes
	dropped int    // attributes beyond the limit
	scratch []byte // for texts that are put together
}

// recordKept is the room that is kept for the next span: more than most take.
const recordKept = 8 << 10

// Tags are a field's number and type, as they stand before its value.
const (
	bytesField  = byte(protowire.BytesType)
	varintField = byte(protowire.VarintType)
	fixed64     = byte(protowire.Fixed64Type)

	tagTraceID   = 1<<3 | bytesField // of Span, and of Link
	tagSpanID    = 2<<3 | bytesField // of both too
	tagState     = 3<<3 | bytesField
	tagParent    = 4<<3 | bytesField
	tagName      = 5<<3 | bytesField
	tagKind      = 6<<3 | varintField
	tagStart     = 7<<3 | fixed64
	tagEnd       = 8<<3 | fixed64
	tagAttribute = 9<<3 | bytesField
	tagDropped   = 10<<3 | varintField
	tagLink      = 13<<3 | bytesField
	tagStatus    = 15<<3 | bytesField

	tagStatusCode = 3<<3 | varintField // of Status

	tagKey    = 1<<3 | bytesField // of KeyValue
	tagValue  = 2<<3 | bytesField
	tagString = 1<<3 | bytesField // of AnyValue
	tagInt    = 3<<3 | varintField
	tagDouble = 4<<3 | fixed64
)

// Flags are number 16 in a span and 6 in a link, and the number with the type
// does not go into one byte in the first.
const (
	flagsOfSpan = protowire.Number(16)
	flagsOfLink = protowire.Number(6)
)

// reset makes s empty. It does not hold on to room that few spans need.
func (s *record) reset(l spanLimits) {
	if cap(s.wire) > recordKept || cap(s.scratch) > recordKept {
		s.wire, s.scratch = nil, nil
	}
	*s = record{wire: s.wire[:0], scratch: s.scratch[:0], limits: l}
}

// begin writes what a span is known by. A parent without a span is none.
func (s *record) begin(id, parent trace.SpanContext, kind tracepb.Span_SpanKind, name string, at time.Time) {
	traceID, spanID, parentID := id.TraceID(), id.SpanID(), parent.SpanID()
	b := append(s.wire, tagTraceID, byte(len(traceID)))
	b = append(b, traceID[:]...)
	b = append(b, tagSpanID, byte(len(spanID)))
	b = append(b, spanID[:]...)
	if state := id.TraceState(); state.Len() > 0 {
		b = protowire.AppendString(append(b, tagState), state.String())
	}
	if parentID.IsValid() {
		b = append(b, tagParent, byte(len(parentID)))
		b = append(b, parentID[:]...)
	}
	b = protowire.AppendString(append(b, tagName), name)
	b = append(b, tagKind, byte(kind))
	b = binary.LittleEndian.AppendUint64(append(b, tagStart), uint64(at.UnixNano()))
	s.wire = appendFlags(b, flagsOfSpan, id, parent)
}

// appendFlags writes W3C's flags of id, and whether parent came from elsewhere.
func appendFlags(b []byte, field protowire.Number, id, parent trace.SpanContext) []byte {
	flags := uint32(id.TraceFlags()) | uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	if parent.IsRemote() {
		flags |= uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	return protowire.AppendFixed32(protowire.AppendTag(b, field, protowire.Fixed32Type), flags)
}

// link writes a span of another trace that this one has to do with. It has no
// state of vendors, as the SDK's exporter sends none.
func (s *record) link(to trace.SpanContext) {
	if s.limits.links == 0 {
		return
	}
	traceID, spanID := to.TraceID(), to.SpanID()
	const size = 2 + len(traceID) + 2 + len(spanID) + 1 + 4
	b := append(s.wire, tagLink, byte(size), tagTraceID, byte(len(traceID)))
	b = append(b, traceID[:]...)
	b = append(b, tagSpanID, byte(len(spanID)))
	b = append(b, spanID[:]...)
	s.wire = appendFlags(b, flagsOfLink, to, to)
}

// end writes what is known in the end.
func (s *record) end(at time.Time, failed bool) {
	b := binary.LittleEndian.AppendUint64(append(s.wire, tagEnd), uint64(at.UnixNano()))
	if s.dropped > 0 {
		b = protowire.AppendVarint(append(b, tagDropped), uint64(s.dropped))
	}
	if failed {
		b = append(b, tagStatus, 2, tagStatusCode, byte(tracepb.Status_STATUS_CODE_ERROR)) // error.type says what
	} else {
		b = append(b, tagStatus, 0)
	}
	s.wire = b
}

// string writes an attribute, as fit to be exported as text makes it.
func (s *record) string(key attribute.Key, value string) {
	value = text(value)
	if s.limits.length >= 0 {
		value = s.limits.cut(value)
	}
	inner := 1 + protowire.SizeBytes(len(value))
	if !s.attribute(key, inner) {
		return
	}
	s.wire = protowire.AppendString(append(s.wire, tagString), value)
}

// int writes an attribute.
func (s *record) int(key attribute.Key, value int) {
	if s.attribute(key, 1+protowire.SizeVarint(uint64(value))) {
		s.wire = protowire.AppendVarint(append(s.wire, tagInt), uint64(value))
	}
}

// float writes an attribute.
func (s *record) float(key attribute.Key, value float64) {
	if s.attribute(key, 1+protowire.SizeFixed64()) {
		s.wire = protowire.AppendFixed64(append(s.wire, tagDouble), math.Float64bits(value))
	}
}

// attribute writes what comes before a value whose message has that size, if
// there may be one attribute more. No key is longer than 127 bytes.
func (s *record) attribute(key attribute.Key, size int) bool {
	if s.limits.count >= 0 && s.given >= s.limits.count {
		s.dropped++
		return false
	}
	s.given++
	whole := 2 + len(key) + 1 + protowire.SizeBytes(size)
	if whole < 0x80 { // as mostly: then all sizes take one byte
		b := append(s.wire, tagAttribute, byte(whole), tagKey, byte(len(key)))
		s.wire = append(append(b, key...), tagValue, byte(size))
		return true
	}
	b := protowire.AppendVarint(append(s.wire, tagAttribute), uint64(whole))
	b = append(append(b, tagKey, byte(len(key))), key...)
	s.wire = protowire.AppendVarint(append(b, tagValue), uint64(size))
	return true
}

// attributes are some that many spans share, written beforehand.
type attributes struct {
	wire           []byte
	given, dropped int
}

// all writes attributes that were written under the same limits, before any
// others.
func (s *record) all(a attributes) {
	s.wire = append(s.wire, a.wire...)
	s.given, s.dropped = a.given, a.dropped
}
