package telemetry

import (
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
)

// lasting is good, and took a while.
func lasting(d time.Duration) proxy.Result {
	r := good
	r.Took = d
	return r
}

// points are the series of a histogram, by status.
func points(t testing.TB, all map[string]metricdata.Metrics, name string) map[string]metricdata.HistogramDataPoint[float64] {
	t.Helper()
	byStatus := make(map[string]metricdata.HistogramDataPoint[float64])
	data, _ := all[name].Data.(metricdata.Histogram[float64])
	for _, p := range data.DataPoints {
		byStatus[labelsOf(p.Attributes)["http.response.status_code"]] = p
	}
	return byStatus
}

// What is recorded here is what the SDK's histograms make of it, on the bounds
// of buckets too.
func TestDurationsAreTheSDKs(t *testing.T) {
	ours, theirs := newRig(t, trusting()), newRig(t, trusting())
	theirs.upstreams.recordBy(theirs.metrics.histograms)
	for _, o := range []proxy.Observer{ours.Observer("web", nil), theirs.Observer("web", nil)} {
		for _, took := range []time.Duration{0, 1, 5 * time.Millisecond, 5*time.Millisecond + 1, 75 * time.Millisecond, time.Second, 10 * time.Second, time.Hour} {
			carry(o, request("GET", "http://web.local/"), lasting(took))
			failed := lasting(took)
			failed.Status = 503
			carry(o, request("POST", "http://web.local/"), failed)
		}
	}
	if p := points(t, ours.collect(t), overheadDuration)[""]; p.Count != 16 || math.Abs(p.Sum-16*80e-6) > 1e-9 || p.BucketCounts[1] != 16 {
		t.Errorf("%s: %+v", overheadDuration, p)
	}
	for _, name := range []string{httpServerDuration, httpClientDuration} {
		own, sdk := ours.collect(t)[name], theirs.collect(t)[name]
		if own.Description != sdk.Description || own.Unit != sdk.Unit {
			t.Errorf("%s is %q in %q, not %q in %q", name, own.Description, own.Unit, sdk.Description, sdk.Unit)
		}
		if temporality := own.Data.(metricdata.Histogram[float64]).Temporality; temporality != metricdata.CumulativeTemporality {
			t.Errorf("%s is of %v", name, temporality)
		}
		got, want := points(t, ours.collect(t), name), points(t, theirs.collect(t), name)
		if len(got) != 2 || len(want) != 2 {
			t.Fatalf("%s: %d series and %d", name, len(got), len(want))
		}
		for status, w := range want {
			g := got[status]
			if g.Attributes != w.Attributes || g.Count != w.Count || math.Abs(g.Sum-w.Sum) > 1e-6 || !slices.Equal(g.Bounds, w.Bounds) || !slices.Equal(g.BucketCounts, w.BucketCounts) {
				t.Errorf("%s: %+v\nthe SDK's: %+v", name, g, w)
			}
			if g.StartTime.IsZero() || g.StartTime.After(g.Time) || time.Since(g.Time) > time.Minute {
				t.Errorf("%s: from %v to %v", name, g.StartTime, g.Time)
			}
			if len(g.Exemplars) != len(w.Exemplars) || len(g.Exemplars) == 0 {
				t.Errorf("%s: %d exemplars, of the SDK %d", name, len(g.Exemplars), len(w.Exemplars))
			}
		}
	}
}

// A reader of delta is told what is new since it read last, once, whatever
// other readers there are.
func TestDelta(t *testing.T) {
	rig := newRig(t, trusting())
	delta := rig.upstreams.histograms(metricdata.DeltaTemporality)
	read := func() (map[string]metricdata.HistogramDataPoint[float64], metricdata.Temporality) {
		scopes, err := delta.Produce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]metricdata.Metrics)
		for _, s := range scopes {
			for _, m := range s.Metrics {
				all[m.Name] = m
			}
		}
		data, _ := all[httpServerDuration].Data.(metricdata.Histogram[float64])
		return points(t, all, httpServerDuration), data.Temporality
	}
	o := rig.Observer("web", nil)
	if p, _ := read(); len(p) != 0 {
		t.Fatalf("%v of nothing", p)
	}
	carry(o, request("GET", "http://web.local/", "traceparent", sampledParent), lasting(20*time.Millisecond))
	time.Sleep(20 * time.Millisecond) // so that it is over by the clock too
	carry(o, request("GET", "http://web.local/"), proxy.Result{Status: 404, Major: 1, GRPC: -1})
	first, temporality := read()
	if len(first) != 2 || first["200"].Count != 1 || first["200"].Sum != 0.02 || temporality != metricdata.DeltaTemporality || len(first["200"].Exemplars) != 1 {
		t.Fatalf("%v: %+v", temporality, first)
	}
	carry(o, request("GET", "http://web.local/", "traceparent", unsampledParent), lasting(3*time.Second))
	rig.collect(t)
	second, _ := read()
	p := second["200"]
	if len(second) != 1 || p.Count != 1 || p.Sum != 3 || !p.StartTime.Equal(first["200"].Time) || len(p.Exemplars) != 0 {
		t.Errorf("%+v", second)
	}
	if third, _ := read(); len(third) != 0 {
		t.Errorf("%+v is told twice", third)
	}
	if all := points(t, rig.collect(t), httpServerDuration); all["200"].Count != 2 || math.Abs(all["200"].Sum-3.02) > 1e-9 {
		t.Errorf("all: %+v", all)
	}
}

func TestExemplars(t *testing.T) {
	for filter, want := range map[string]struct{ sampled, unsampled int }{
		"": {1, 0}, "trace_based": {1, 0}, "always_off": {0, 0}, "always_on": {1, 1},
	} {
		t.Run(filter, func(t *testing.T) {
			t.Setenv("OTEL_METRICS_EXEMPLAR_FILTER", filter)
			for parent, want := range map[string]int{sampledParent: want.sampled, unsampledParent: want.unsampled} {
				rig := newRig(t, trusting())
				carry(rig.Observer("web", nil), request("GET", "http://web.local/", "traceparent", parent), lasting(20*time.Millisecond))
				for _, name := range []string{httpServerDuration, httpClientDuration} {
					got := points(t, rig.collect(t), name)["200"].Exemplars
					if len(got) != want {
						t.Fatalf("%s of %s: %d exemplars", name, parent, len(got))
					}
					for _, e := range got {
						if e.Value != 0.02 || parent == sampledParent && hex.EncodeToString(e.TraceID) != callersTrace {
							t.Errorf("%s of %s: %+v", name, parent, e)
						}
					}
				}
			}
		})
	}
}

// A reader that wants other histograms than those of fixed buckets gets them.
func TestExponentialHistograms(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram")
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		u := newUpstreams("", Metrics{})
		readers, _, err := newReaders(t.Context(), destination{exporters: []string{exporterOTLP}, protocol: protocol, endpoint: "http://127.0.0.1:1"}, pushing{interval: time.Hour}, newExports(), u, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !u.bySDK {
			t.Errorf("%s: the SDK is not asked", protocol)
		}
		for _, r := range readers {
			_ = r.Shutdown(t.Context())
		}
	}
	u := newUpstreams("", Metrics{})
	u.bySDK = true
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(u.histograms(metricdata.CumulativeTemporality)),
		sdkmetric.WithAggregationSelector(func(sdkmetric.InstrumentKind) sdkmetric.Aggregation {
			return sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}
		}))
	c := trusting()
	c.ShutdownTimeout = 5 * time.Second
	tel, err := assemble(c, nil, nil, pipeline{readers: []sdkmetric.Reader{reader}, exports: newExports(), upstreams: u}, new(reporter))
	if err != nil {
		t.Fatal(err)
	}
	carry(tel.Observer("web", nil), request("GET", "http://web.local/"), good)
	all := (&rig{Telemetry: tel, reader: reader}).collect(t)
	for _, name := range []string{httpServerDuration, httpClientDuration} {
		data, ok := all[name].Data.(metricdata.ExponentialHistogram[float64])
		if !ok || len(data.DataPoints) != 1 || data.DataPoints[0].Count != 1 {
			t.Errorf("%s is %+v", name, all[name].Data)
		}
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Nothing gets lost between those who record and those who read.
func TestRecordingAtOnce(t *testing.T) {
	rig := newRig(t, trusting())
	o := rig.Observer("web", nil)
	const each = 500
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := range each {
				r := lasting(time.Duration(i) * time.Millisecond)
				r.Status = 200 + (n+i)%3
				carry(o, request("GET", "http://web.local/", "traceparent", unsampledParent), r)
			}
		})
	}
	stop := make(chan struct{})
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		var before uint64
		for {
			var now uint64
			for _, p := range points(t, rig.collect(t), httpServerDuration) {
				now += p.Count
			}
			if now < before {
				t.Errorf("%d measurements became %d", before, now)
			}
			before = now
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-reading
	var count uint64
	var sum float64
	for status := 200; status < 203; status++ {
		p := points(t, rig.collect(t), httpServerDuration)[strconv.Itoa(status)]
		count, sum = count+p.Count, sum+p.Sum
	}
	if want := 4 * each * (each - 1) / 2; count != 4*each || math.Abs(sum-float64(want)/1000) > 1e-6 {
		t.Errorf("%d measurements of %v s, not %d ms", count, sum, want)
	}
}

// A bucket takes an exemplar now and then, not with each measurement; what falls
// into another is told of all the same.
func TestExemplarsOfOneBucket(t *testing.T) {
	d := newUpstreams("", Metrics{}).get("web").overhead
	began := time.Now()
	for i, took := range []time.Duration{time.Millisecond - 2, time.Millisecond - 1, time.Second, time.Millisecond} {
		s := &span{recording: true, began: began.Add(time.Duration(i/3) * exemplarsEvery), id: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: newTraceID(), SpanID: trace.SpanID{byte(i) + 1}, TraceFlags: trace.FlagsSampled,
		})}
		s.end(took)
		d.add(s, 0, int64(took))
		var all []exemplar.Exemplar
		d.exemplars.Collect(&all)
		var spans []byte
		for _, e := range all {
			spans = append(spans, e.SpanID[0])
		}
		slices.Sort(spans)
		if want := [][]byte{{1}, {1}, {1, 3}, {3, 4}}[i]; !slices.Equal(spans, want) {
			t.Errorf("after %d: exemplars of %v, not %v", i+1, spans, want)
		}
	}
}
