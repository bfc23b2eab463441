package telemetry

import (
	"context"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// durations gives one reader the histograms of what the upstreams' requests
// took. The SDK knows nothing of them, so what it does for its own is done
// here: temporality, the times, exemplars. Their series are bounded by
// seriesLimit.
type durations struct {
	upstreams   *upstreams
	temporality metricdata.Temporality

	mu    sync.Mutex
	since time.Time                 // delta: when it was read last
	last  map[*distribution]tallies // delta: what it was then
}

// durations are the histograms for a reader of that temporality.
func (u *upstreams) durations(t metricdata.Temporality) sdkmetric.Producer {
	return &durations{upstreams: u, temporality: t, since: u.began, last: make(map[*distribution]tallies)}
}

// Produce implements sdkmetric.Producer.
func (d *durations) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	all := d.upstreams.all()
	var metrics []metricdata.Metrics
	for _, h := range durationHistograms {
		points := make([]metricdata.HistogramDataPoint[float64], 0, len(all))
		for _, u := range all {
			for _, of := range h.of(u) {
				if p, some := d.point(of, now); some {
					points = append(points, p)
				}
			}
		}
		if len(points) > 0 {
			i := instrument(h.name)
			metrics = append(metrics, metricdata.Metrics{
				Name: i.Name, Description: i.Description, Unit: i.Unit,
				Data: metricdata.Histogram[float64]{DataPoints: points, Temporality: d.temporality},
			})
		}
	}
	d.since = now
	if len(metrics) == 0 {
		return nil, nil
	}
	return []metricdata.ScopeMetrics{{Scope: d.upstreams.scope, Metrics: metrics}}, nil
}

// point is a series as a reader is given it. One without measurements is none.
func (d *durations) point(of *distribution, now time.Time) (p metricdata.HistogramDataPoint[float64], some bool) {
	t, from := of.read(), d.upstreams.began
	if d.temporality == metricdata.DeltaTemporality {
		t, d.last[of] = t.since(d.last[of]), t
		from = d.since
	}
	if t.count == 0 {
		return p, false
	}
	return metricdata.HistogramDataPoint[float64]{
		Attributes: of.attributes, StartTime: from, Time: now,
		Count: t.count, Sum: t.sum.Seconds(), Bounds: of.seconds, BucketCounts: t.buckets,
		Exemplars: d.exemplars(of),
	}, true
}

// exemplars are those of a series. With delta they are not told twice.
func (d *durations) exemplars(of *distribution) (kept []metricdata.Exemplar[float64]) {
	var all []exemplar.Exemplar
	of.exemplars.Collect(&all)
	for _, e := range all {
		if d.temporality == metricdata.DeltaTemporality && e.Time.Before(d.since) {
			continue
		}
		kept = append(kept, metricdata.Exemplar[float64]{
			FilteredAttributes: e.FilteredAttributes, Time: e.Time, Value: e.Value.Float64(), SpanID: e.SpanID, TraceID: e.TraceID,
		})
	}
	return kept
}

// durationHistograms are the histograms that are recorded by ourselves.
var durationHistograms = [...]struct {
	name string
	of   func(*upstream) []*distribution
}{
	{httpServerDuration, func(u *upstream) []*distribution { return u.serving.series.distributions() }},
	{httpClientDuration, func(u *upstream) []*distribution { return u.sending.series.distributions() }},
	{overheadDuration, func(u *upstream) []*distribution { return []*distribution{u.overhead} }},
}
