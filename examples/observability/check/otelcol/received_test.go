package otelcol

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// received is what came out of the collector.
type received struct {
	url string

	mu        sync.Mutex
	resources map[string]map[string]string // attributes, by signal
	spans     []span
	records   []record
	metrics   map[string]metric // as each came last
	broken    error
}

type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
}

type record struct {
	EventName string
	TraceID   string
}

type metric struct {
	Name      string
	Unit      string
	Sum       *struct{ DataPoints []point }
	Gauge     *struct{ DataPoints []point }
	Histogram *struct{ DataPoints []point }
}

type point struct {
	AsInt, Count string // whole numbers are texts in OTLP's JSON
	Attributes   []attribute
}

type attribute struct {
	Key   string
	Value struct{ StringValue string }
}

type resource struct{ Attributes []attribute }

func receive(t *testing.T) *received {
	t.Helper()
	r := &received{resources: make(map[string]map[string]string), metrics: make(map[string]metric)}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

// ServeHTTP takes one export.
func (r *received) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var body struct {
		ResourceSpans []struct {
			Resource   resource
			ScopeSpans []struct{ Spans []span }
		}
		ResourceMetrics []struct {
			Resource     resource
			ScopeMetrics []struct{ Metrics []metric }
		}
		ResourceLogs []struct {
			Resource  resource
			ScopeLogs []struct{ LogRecords []record }
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := json.NewDecoder(req.Body).Decode(&body); err != nil {
		r.broken = err
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, rs := range body.ResourceSpans {
		r.resources["traces"] = valuesOf(rs.Resource.Attributes)
		for _, ss := range rs.ScopeSpans {
			r.spans = append(r.spans, ss.Spans...)
		}
	}
	for _, rm := range body.ResourceMetrics {
		r.resources["metrics"] = valuesOf(rm.Resource.Attributes)
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				r.metrics[m.Name] = m
			}
		}
	}
	for _, rl := range body.ResourceLogs {
		r.resources["logs"] = valuesOf(rl.Resource.Attributes)
		for _, sl := range rl.ScopeLogs {
			r.records = append(r.records, sl.LogRecords...)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}"))
}

func valuesOf(attrs []attribute) map[string]string {
	values := make(map[string]string, len(attrs))
	for _, a := range attrs {
		values[a.Key] = a.Value.StringValue
	}
	return values
}

// total sums a metric's whole numbers, over all series.
func (r *received) total(t *testing.T, name string) (sum int) {
	t.Helper()
	m := r.metrics[name]
	var points []point
	for _, of := range []*struct{ DataPoints []point }{m.Sum, m.Gauge, m.Histogram} {
		if of != nil {
			points = append(points, of.DataPoints...)
		}
	}
	if points == nil {
		t.Fatalf("there is no metric %s", name)
	}
	for _, p := range points {
		n, err := strconv.Atoi(p.AsInt + p.Count)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		sum += n
	}
	return sum
}
