package telemetry

import (
	"context"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func TestParseTraceparent(t *testing.T) {
	const ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
	for s, sampled := range map[string]bool{
		"00-" + ids + "-01":      true,
		"00-" + ids + "-00":      false,
		"00-" + ids + "-03":      true,
		"00-" + ids + "-02":      false,
		"01-" + ids + "-01":      true,
		"fe-" + ids + "-01-more": true,
		"01-" + ids + "-ff":      true, // what later versions add is none of ours
	} {
		p, ok := parseTraceparent([]byte(s))
		if !ok || p.flags.IsSampled() != sampled {
			t.Errorf("%s: %v, sampled %v", s, ok, p.flags.IsSampled())
		}
		if want := "00-" + ids; string(p.append(nil)[:52]) != want {
			t.Errorf("%s: written as %s", s, p.append(nil))
		}
	}
	for _, s := range []string{
		"", "00", "00-" + ids, "00-" + ids + "-", "00-" + ids + "-0", "00-" + ids + "-01-", "00-" + ids + "-01-more", "00-" + ids + "-011",
		"ff-" + ids + "-01", "01-" + ids + "-01more", "0g-" + ids + "-01", "00-" + ids + "-0G", "00_" + ids + "-01", " 00-" + ids + "-01",
		"00-" + ids + "-04", "00-" + ids + "-ff",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
	} {
		if p, ok := parseTraceparent([]byte(s)); ok {
			t.Errorf("%q was taken, as %s", s, p.append(nil))
		}
	}
}

// FuzzParseTraceparent holds the parser against the SDK's.
func FuzzParseTraceparent(f *testing.F) {
	for _, s := range []string{sampledParent, unsampledParent, "cc" + sampledParent[2:] + "-x", "", "00-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parseTraceparent([]byte(s))
		carrier := propagation.HeaderCarrier(http.Header{"Traceparent": {s}})
		theirs := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carrier))
		if ok != theirs.IsValid() {
			t.Fatalf("%q: taken %v, by the SDK %v", s, ok, theirs.IsValid())
		}
		if ok && !p.context(nil).Equal(theirs) {
			t.Fatalf("%q: %s, by the SDK %v", s, p.append(nil), theirs)
		}
		if again, ok2 := parseTraceparent(p.append(nil)); ok && (!ok2 || again != p) {
			t.Fatalf("%q: written as %q, read as %v", s, p.append(nil), again)
		}
	})
}
