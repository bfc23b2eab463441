package telemetry

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampling decides which traces are recorded.
type sampling struct {
	sdktrace.Sampler
	parentBased bool // a caller's decision is kept
}

// newSampling follows OTEL_TRACES_SAMPLER, and where that is unset or unknown
// (of which the SDK tells) the ratio, with the caller's decision kept.
func newSampling(ratio float64) sampling {
	named := strings.ToLower(strings.TrimSpace(os.Getenv("OTEL_TRACES_SAMPLER")))
	name, parentBased := strings.CutPrefix(named, "parentbased_")
	var root sdktrace.Sampler
	switch name {
	case "always_on":
		root = sdktrace.AlwaysSample()
	case "always_off":
		root = sdktrace.NeverSample()
	case "traceidratio":
		root = sdktrace.TraceIDRatioBased(samplerArg())
	default:
		parentBased, root = true, sdktrace.TraceIDRatioBased(ratio)
		if ratio == 1 {
			root = sdktrace.AlwaysSample()
		}
	}
	if parentBased {
		root = sdktrace.ParentBased(root)
	}
	return sampling{root, parentBased}
}

// samplerArg is the ratio in OTEL_TRACES_SAMPLER_ARG; 1, as the SDK takes it,
// where there is none or no good one.
func samplerArg() float64 {
	ratio, err := strconv.ParseFloat(strings.TrimSpace(os.Getenv("OTEL_TRACES_SAMPLER_ARG")), 64)
	if err != nil || checkRatio(ratio) != nil {
		return 1
	}
	return ratio
}

func checkRatio(ratio float64) error {
	if !(ratio >= 0 && ratio <= 1) {
		return fmt.Errorf("sample ratio %v is not between 0 and 1", ratio)
	}
	return nil
}

// begin decides on a new trace, whose ID it draws, ahead of the SDK: a request
// that is not recorded then never gets to it.
func (s sampling) begin() (id trace.TraceID, recorded bool) {
	id = newTraceID()
	result := s.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id, Kind: trace.SpanKindServer})
	return id, result.Decision == sdktrace.RecordAndSample
}

// ids draws random IDs, but for a trace that sampling began takes the one that
// was decided on.
type ids struct{}

type begunKey struct{}

// withBegun has the SDK begin the trace of this ID.
func withBegun(id trace.TraceID) context.Context {
	return context.WithValue(context.Background(), begunKey{}, id)
}

func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if id, ok := ctx.Value(begunKey{}).(trace.TraceID); ok {
		return id, newSpanID()
	}
	return newTraceID(), newSpanID()
}

func (ids) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newSpanID() }

func newTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}
