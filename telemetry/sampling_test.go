package telemetry

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// What begins here is recorded where the SDK would record it, so that all
// services of a trace decide alike.
func TestSamplingIsTheSDKs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, ratio := range []float64{0, 1e-9, 0.01, 0.3, 0.5, 0.999, 1} {
		s := sampling{below: threshold(ratio)}
		sdk, most := sdktrace.TraceIDRatioBased(ratio), 0
		for range 10_000 {
			id := trace.TraceID{}
			binary.BigEndian.PutUint64(id[8:], random.Uint64())
			want := sdk.ShouldSample(sdktrace.SamplingParameters{ParentContext: t.Context(), TraceID: id}).Decision == sdktrace.RecordAndSample
			if s.records(id) != want {
				t.Fatalf("%v of %v: %v", id, ratio, !want)
			}
			if want {
				most++
			}
		}
		if share := float64(most) / 10_000; share < ratio-0.02 || share > ratio+0.02 {
			t.Errorf("%v are recorded of %v", share, ratio)
		}
	}
}

func TestSampler(t *testing.T) {
	for _, test := range []struct {
		name, arg string
		want      sampling
		err       string
	}{
		{"", "0.9", sampling{true, threshold(0.25)}, ""},
		{"always_on", "0.5", sampling{false, allTraces}, ""},
		{" Always_Off", "", sampling{false, 0}, ""},
		{"parentbased_always_on", "", sampling{true, allTraces}, ""},
		{"parentbased_always_off", "", sampling{true, 0}, ""},
		{"traceidratio", "0.5", sampling{false, threshold(0.5)}, ""},
		{"parentbased_traceidratio", " 0.5 ", sampling{true, threshold(0.5)}, ""},
		{"traceidratio", "", sampling{false, allTraces}, ""},
		{"traceidratio", "half", sampling{false, allTraces}, "OTEL_TRACES_SAMPLER_ARG"},
		{"traceidratio", "1.5", sampling{false, allTraces}, "OTEL_TRACES_SAMPLER_ARG"},
		{"jaeger_remote", "", sampling{true, threshold(0.25)}, `OTEL_TRACES_SAMPLER: there is no sampler "jaeger_remote"`},
	} {
		t.Setenv("OTEL_TRACES_SAMPLER", test.name)
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", test.arg)
		got, err := newSampling(0.25)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s %s: %+v, %v", test.name, test.arg, got, err)
		}
	}
}
