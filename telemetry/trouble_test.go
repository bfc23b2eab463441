package telemetry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// A collector that is away, fails or hangs costs requests nothing, is told of
// and counted, and does not keep the agent from ending.
func TestCollectorInTrouble(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
	t.Setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "16")
	t.Setenv("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "8")
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		for _, mode := range []string{"unavailable", "hang", "refuse"} {
			t.Run(protocol+" "+mode, func(t *testing.T) {
				collector := newCollector(t, protocol, mode)
				var heard reports
				out := Exporter{Exporters: []string{"otlp"}, Protocol: protocol, Endpoint: collector.url}
				c := trusting()
				c.Traces.Exporter, c.Metrics.Exporter, c.Logs.Exporter, c.OnError = out, out, out, heard.add
				c.Logs.Level = LevelDebug
				c.Metrics.Interval = 10 * time.Millisecond
				c.ShutdownTimeout = 500 * time.Millisecond
				tel := setup(t, c)
				o := tel.Observer("web", nil)
				var took []time.Duration
				for range 500 {
					start := time.Now()
					if carry(o, request("GET", "http://web.local/"), good).Get("Traceparent") == "" {
						t.Fatal("no traceparent")
					}
					tel.Tell(LevelInfo, "told", DiscoveryUpdated{Upstream: "web"})
					tel.Log(Line{Level: LevelInfo, Message: "logged"})
					took = append(took, time.Since(start))
				}
				// One that waited for a collector that hangs would not end at
				// all; all together say how busy the machine is.
				slices.Sort(took)
				if median := took[len(took)/2]; median > 4*time.Millisecond {
					t.Errorf("a request took %v", median)
				}
				if mode != "refuse" {
					<-collector.asks
				}
				slept := make(chan time.Duration, 1)
				start := time.Now()
				go func() { time.Sleep(c.ShutdownTimeout); slept <- time.Since(start) }()
				err := tel.Shutdown(t.Context())
				// The limit, as this machine keeps time now, and as much again.
				if took, limit := time.Since(start), <-slept; took > limit+c.ShutdownTimeout {
					t.Errorf("Shutdown took %v where a sleep takes %v", took, limit)
				}
				// Where nobody listens all may have failed before.
				if err == nil || mode != "refuse" && !strings.Contains(err.Error(), " spans and ") {
					t.Errorf("Shutdown tells %v", err)
				}
				// Shutdown does not wait for an export that it cut short, to come
				// back on a machine that has no time for it.
				e := tel.exports
				eventually(t, func() bool {
					return e.tracesFailed.Load() > 0 && e.metricsFailed.Load() > 0 && e.logsFailed.Load() > 0 && e.spans.waiting() == 0
				})
				for signal, f := range map[string]*fates{signalTraces: &e.spans, signalLogs: &e.records} {
					got := fatesOf(f)
					if got.offered != 1000 || got.exported != 0 || got.failed == 0 || got.dropped == 0 || got.failed+got.dropped+f.waiting() != 1000 {
						t.Errorf("%s: %+v", signal, got)
					}
				}
				// An export that fails only when it is cut short, after its
				// retries, may come back too late to be told of.
				if heard.count() == 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Error("nobody was told")
				}
				if again := tel.Shutdown(t.Context()); !errors.Is(again, err) {
					t.Errorf("a second Shutdown: %v", again)
				}
			})
		}
	}
}

// counted is what fates say at one moment.
type counted struct{ offered, dropped, exported, failed int64 }

func fatesOf(f *fates) counted {
	return counted{f.offered.Load(), f.dropped.Load(), f.exported.Load(), f.failed.Load()}
}
