package telemetry

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// sampling decides which traces are recorded.
type sampling struct {
	parentBased bool   // a caller's decision is kept
	below       uint64 // of a trace that begins here: those with a number less than this, of 63 bits
}

// allTraces is above each trace's number.
const allTraces = 1 << 63

// newSampling follows OTEL_TRACES_SAMPLER, and where that is unset or unknown
// the ratio, with the caller's decision kept. The error is for people.
func newSampling(ratio float64) (sampling, error) {
	named := strings.ToLower(variable("OTEL_TRACES_SAMPLER"))
	name, parentBased := strings.CutPrefix(named, "parentbased_")
	switch name {
	case "always_on":
		return sampling{parentBased, allTraces}, nil
	case "always_off":
		return sampling{parentBased, 0}, nil
	case "traceidratio":
		ratio, err := samplerArg()
		return sampling{parentBased, threshold(ratio)}, err
	}
	s := sampling{true, threshold(ratio)}
	if named != "" {
		return s, fmt.Errorf("telemetry: OTEL_TRACES_SAMPLER: there is no sampler %q; passed over", named)
	}
	return s, nil
}

// threshold is the number below which that share of all traces lies.
func threshold(ratio float64) uint64 { return uint64(ratio * allTraces) }

// records tells whether a trace is recorded, by the part of its ID that the SDK
// goes by: others who look at it with the same ratio decide alike.
func (s sampling) records(id trace.TraceID) bool {
	return binary.BigEndian.Uint64(id[8:])>>1 < s.below
}

// samplerArg is the ratio in OTEL_TRACES_SAMPLER_ARG; 1, as the SDK takes it,
// where there is none or no good one.
func samplerArg() (float64, error) {
	arg := variable("OTEL_TRACES_SAMPLER_ARG")
	if arg == "" {
		return 1, nil
	}
	ratio, err := strconv.ParseFloat(arg, 64)
	if err == nil {
		err = checkRatio(ratio)
	}
	if err != nil {
		return 1, fmt.Errorf("telemetry: OTEL_TRACES_SAMPLER_ARG: %w; taken for 1", err)
	}
	return ratio, nil
}

func checkRatio(ratio float64) error {
	if !(ratio >= 0 && ratio <= 1) {
		return fmt.Errorf("sample ratio %v is not between 0 and 1", ratio)
	}
	return nil
}

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
