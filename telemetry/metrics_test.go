package telemetry

import (
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// with sets what the source says.
func (r *rig) with(u ...Upstream) *rig {
	r.source.set(u...)
	return r
}

// labelsOf are a series' attributes.
func labelsOf(set attribute.Set) map[string]string {
	m := make(map[string]string)
	for _, kv := range set.ToSlice() {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

// seriesName is them in one text, with the shortest keys first.
func seriesName(set attribute.Set) string {
	var parts []string
	for _, kv := range set.ToSlice() {
		parts = append(parts, string(kv.Key)+"="+kv.Value.String())
	}
	slices.SortFunc(parts, func(a, b string) int {
		if n := strings.Index(a, "=") - strings.Index(b, "="); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return strings.Join(parts, ",")
}

// histogram lists the attributes of a histogram's series.
func histogram(t testing.TB, all map[string]metricdata.Metrics, name string) (series []map[string]string) {
	t.Helper()
	data, ok := all[name].Data.(metricdata.Histogram[float64])
	if !ok {
		t.Fatalf("%s is %T", name, all[name].Data)
	}
	for _, p := range data.DataPoints {
		series = append(series, labelsOf(p.Attributes))
	}
	return series
}

// sums are the values of a metric that is no histogram, by series; nil where
// there is no such metric.
func sums(t testing.TB, all map[string]metricdata.Metrics, name string) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	switch data := all[name].Data.(type) {
	case nil:
		return nil
	case metricdata.Sum[int64]:
		take(values, data.DataPoints)
	case metricdata.Sum[float64]:
		take(values, data.DataPoints)
	case metricdata.Gauge[int64]:
		take(values, data.DataPoints)
	case metricdata.Gauge[float64]:
		take(values, data.DataPoints)
	default:
		t.Fatalf("%s is %T", name, data)
	}
	return values
}

func take[N int64 | float64](values map[string]float64, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		values[seriesName(p.Attributes)] = float64(p.Value)
	}
}
