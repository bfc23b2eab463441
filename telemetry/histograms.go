package telemetry

import (
	"context"
	"sync"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// histograms gives one reader the histograms of what the upstreams' requests
// took and carried. The SDK knows nothing of them, so what it does for its own is done
// here: temporality, the times, exemplars. Their series are bounded by
// seriesLimit.
type histograms struct {
	upstreams   *upstreams
	temporality metricdata.Temporality

	mu    sync.Mutex
	since time.Time                 // delta: when it was read last
	last  map[*distribution]tallies // delta: what it was then
}

// histograms are those for a reader of that temporality.
func (u *upstreams) histograms(t metricdata.Temporality) sdkmetric.Producer {
	return &histograms{upstreams: u, temporality: t, since: u.began, last: make(map[*distribution]tallies)}
}

// Produce implements sdkmetric.Producer.
func (d *histograms) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	all := d.upstreams.all()
	var metrics []metricdata.Metrics
	for _, h := range recorded {
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
func (d *histograms) point(of *distribution, now time.Time) (p metricdata.HistogramDataPoint[float64], some bool) {
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
		Count: t.count, Sum: float64(t.sum) / of.unit, Bounds: of.told, BucketCounts: t.buckets,
		Exemplars: d.exemplars(of),
	}, true
}

// exemplars are those of a series. With delta they are not told twice.
func (d *histograms) exemplars(of *distribution) (kept []metricdata.Exemplar[float64]) {
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

// recordedHistogram is one that is recorded by ourselves, and its series.
type recordedHistogram struct {
	name string
	of   func(*upstream) []*distribution
}

var recorded = [...]recordedHistogram{
	{httpServerDuration, func(u *upstream) []*distribution { return u.serving.series.distributions(tookOf) }},
	{httpServerRequestSize, func(u *upstream) []*distribution { return u.serving.series.distributions(requestSizeOf) }},
	{httpServerResponseSize, func(u *upstream) []*distribution { return u.serving.series.distributions(responseSizeOf) }},
	{httpClientDuration, func(u *upstream) []*distribution { return u.sending.series.distributions(tookOf) }},
	{httpClientRequestSize, func(u *upstream) []*distribution { return u.sending.series.distributions(requestSizeOf) }},
	{httpClientResponseSize, func(u *upstream) []*distribution { return u.sending.series.distributions(responseSizeOf) }},
	{overheadDuration, func(u *upstream) []*distribution { return []*distribution{u.overhead} }},
	{queueWaitDuration, func(u *upstream) []*distribution { return []*distribution{u.waits} }},
}
