package telemetry

import (
	"net/netip"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

func TestSpansOfVisits(t *testing.T) {
	for name, test := range map[string]struct {
		visit proxy.Visit
		want  map[string]string
	}{
		"good": {
			proxy.Visit{Result: proxy.Result{GRPC: -1, Attempts: 2, Took: time.Second}, Client: netip.MustParseAddr("::ffff:10.0.0.1"), Server: backendA},
			map[string]string{
				"status": "Unset", "client.address": "10.0.0.1", "outrigger.attempts": "2", "outrigger.outcome": "ok",
				"outrigger.backend.id": "a", "outrigger.backend.zone": "z1", "network.peer.address": "10.0.0.7", "network.peer.port": "8080",
			},
		},
		"failed": {
			proxy.Visit{Result: proxy.Result{GRPC: -1, Error: "no_backend", Took: time.Second}},
			map[string]string{"status": "Error", "error.type": "no_backend", "outrigger.attempts": "0", "outrigger.outcome": "failed"},
		},
		"given up": {
			proxy.Visit{Result: proxy.Result{GRPC: -1, Cancelled: true, Took: time.Second}},
			map[string]string{"status": "Unset", "outrigger.attempts": "0", "outrigger.outcome": "client_cancelled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := trusting()
			c.Traces.TCP = true
			rig := newRig(t, c)
			rig.Visited("db", choosing{lb.New(lb.Random()), 0}, test.visit)
			for key, value := range map[string]string{
				"name": "TCP", "network.transport": "tcp", "outrigger.upstream.name": "db", "service.peer.name": "db", "outrigger.strategy": "random",
			} {
				test.want[key] = value
			}
			s := stub(t, rig.spans.GetSpans(), trace.SpanKindClient, 0)
			same(t, "visit", attributesOf(s), test.want)
			if s.Parent.IsValid() || !s.SpanContext.IsSampled() || s.EndTime.Sub(s.StartTime) != time.Second || time.Since(s.EndTime).Abs() > time.Minute {
				t.Errorf("%+v", s)
			}
		})
	}
}

// There are none unless they are wanted, and no more than sampled.
func TestSpansOfVisitsThatAreNone(t *testing.T) {
	c := trusting()
	for range 2 {
		rig := newRig(t, c)
		rig.Visited("db", nil, proxy.Visit{Result: proxy.Result{GRPC: -1}})
		if n := len(rig.spans.GetSpans()); n != 0 {
			t.Errorf("%d spans with %+v", n, c.Traces)
		}
		c.Traces.TCP, c.Traces.SampleRatio = true, 0
	}
	new(Telemetry).Visited("db", nil, proxy.Visit{})
}
