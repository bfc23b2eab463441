package telemetry

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
)

// Everything that is emitted is declared, and the other way round.
func TestInstrumentsAreTheWholeTruth(t *testing.T) {
	c := trusting()
	c.Metrics.BodySize = true
	rig := newRig(t, c)
	rig.source.state.Store(&AgentState{LastReload: time.Now(), AccessLog: new(AccessLog), Descriptors: new(proxy.Descriptors)})
	o := rig.Observer("web", nil)
	carry(o, request("GET", "http://web.local/"), proxy.Result{Status: 500, Major: 1, GRPC: -1})
	for status := 100; status < 500; status++ {
		carry(o, request("GET", "http://web.local/"), proxy.Result{Status: status, Major: 2, GRPC: -1})
	}
	x := o.Begin(request("GET", "http://web.local/"))
	x.Attempt(attempted(request("GET", "http://web.local/")), backendA, 1, "reset").End(good)
	x.End(good)
	rig.HealthCheck("web", "http", true, time.Second)
	rig.Tell(LevelWarn, "told", WatchChanged{Service: "web", State: WatchFails})
	rig.Propagated("web", time.Millisecond)
	rig.Waits("web")(time.Millisecond)
	upstreams := everything()
	_, serve := tcpProxy(t)
	upstreams = append(upstreams, Upstream{Name: "broken", Protocol: "tcp", Meter: serve(t)})
	all := rig.with(upstreams...).collect(t)

	for _, i := range Instruments() {
		m, ok := all[i.Name]
		if !ok {
			t.Errorf("%s is declared and never emitted", i.Name)
			continue
		}
		delete(all, i.Name)
		if m.Unit != i.Unit || m.Description != i.Description {
			t.Errorf("%s: unit %q, description %q", i.Name, m.Unit, m.Description)
		}
		if kind := kindOf(m.Data); kind != i.Kind {
			t.Errorf("%s is a %s", i.Name, kind)
		}
		used := make(map[attribute.Key]bool)
		for _, set := range setsOf(m.Data) {
			for _, kv := range set.ToSlice() {
				used[kv.Key] = true
				if !slices.Contains(i.Attributes, kv.Key) {
					t.Errorf("%s has the attribute %s, which is not declared", i.Name, kv.Key)
				}
			}
		}
		for _, key := range i.Attributes {
			if !used[key] {
				t.Errorf("%s never has the attribute %s", i.Name, key)
			}
		}
		if h, ok := m.Data.(metricdata.Histogram[float64]); ok && !slices.Equal(h.DataPoints[0].Bounds, i.Buckets) {
			t.Errorf("%s has other buckets: %v", i.Name, h.DataPoints[0].Bounds)
		}
	}
	for name := range all {
		if !strings.HasPrefix(name, "go.") {
			t.Errorf("%s is emitted and not declared", name)
		}
		delete(all, name)
	}
	if !strings.Contains(semconv.SchemaURL, "1.43") {
		t.Error("the conventions are others than documented")
	}
}

func kindOf(data metricdata.Aggregation) Kind {
	switch d := data.(type) {
	case metricdata.Histogram[float64]:
		return Histogram
	case metricdata.Sum[int64]:
		return sumKind(d.IsMonotonic)
	case metricdata.Sum[float64]:
		return sumKind(d.IsMonotonic)
	}
	return Gauge
}

func sumKind(monotonic bool) Kind {
	if monotonic {
		return Counter
	}
	return UpDownCounter
}

func setsOf(data metricdata.Aggregation) (sets []attribute.Set) {
	switch d := data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Sum[int64]:
		sets = setsIn(d.DataPoints)
	case metricdata.Sum[float64]:
		sets = setsIn(d.DataPoints)
	case metricdata.Gauge[int64]:
		sets = setsIn(d.DataPoints)
	case metricdata.Gauge[float64]:
		sets = setsIn(d.DataPoints)
	}
	return sets
}

func setsIn[N int64 | float64](points []metricdata.DataPoint[N]) (sets []attribute.Set) {
	for _, p := range points {
		sets = append(sets, p.Attributes)
	}
	return sets
}
