package agent

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"sync"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector receives OTLP by HTTP and keeps what came.
type collector struct {
	url string

	mu       sync.Mutex
	resource []*commonpb.KeyValue
	spans    []*tracepb.Span
	records  []record
	metrics  map[string]*metricspb.Metric  // as each came last
	labels   map[string]map[string]bool    // of each metric, all that it ever had
	sums     map[string]map[string]float64 // values of counters, by series, as they came last
}

// record is a log record and the name of its scope.
type record struct {
	scope string
	*logspb.LogRecord
}

func startCollector(t testing.TB) *collector {
	t.Helper()
	c := &collector{metrics: make(map[string]*metricspb.Metric), labels: make(map[string]map[string]bool), sums: make(map[string]map[string]float64)}
	s := httptest.NewServer(c)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	c.url = s.URL
	return c
}

// ServeHTTP takes one export.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		var m coltrace.ExportTraceServiceRequest
		if err = proto.Unmarshal(data, &m); err == nil {
			c.takeSpans(&m)
		}
	case "/v1/metrics":
		var m colmetrics.ExportMetricsServiceRequest
		if err = proto.Unmarshal(data, &m); err == nil {
			c.takeMetrics(&m)
		}
	case "/v1/logs":
		var m collogs.ExportLogsServiceRequest
		if err = proto.Unmarshal(data, &m); err == nil {
			c.takeRecords(&m)
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (c *collector) takeSpans(m *coltrace.ExportTraceServiceRequest) {
	for _, rs := range m.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			c.spans = append(c.spans, ss.Spans...)
		}
	}
}

func (c *collector) takeRecords(m *collogs.ExportLogsServiceRequest) {
	for _, rl := range m.ResourceLogs {
		for _, sl := range rl.ScopeLogs {
			for _, r := range sl.LogRecords {
				c.records = append(c.records, record{sl.Scope.Name, r})
			}
		}
	}
}

func (c *collector) takeMetrics(m *colmetrics.ExportMetricsServiceRequest) {
	c.sums = make(map[string]map[string]float64)
	for _, rm := range m.ResourceMetrics {
		c.resource = rm.Resource.Attributes
		for _, sm := range rm.ScopeMetrics {
			for _, metric := range sm.Metrics {
				c.metrics[metric.Name] = metric
				if c.labels[metric.Name] == nil {
					c.labels[metric.Name] = make(map[string]bool)
				}
				c.sums[metric.Name] = make(map[string]float64)
				var points []*metricspb.NumberDataPoint
				points = append(points, metric.GetSum().GetDataPoints()...)
				points = append(points, metric.GetGauge().GetDataPoints()...)
				for _, p := range points {
					c.note(metric.Name, p.Attributes)
					value := p.GetAsDouble()
					if n, ok := p.Value.(*metricspb.NumberDataPoint_AsInt); ok {
						value = float64(n.AsInt)
					}
					c.sums[metric.Name][seriesOf(p.Attributes)] = value
				}
				for _, p := range metric.GetHistogram().GetDataPoints() {
					c.note(metric.Name, p.Attributes)
				}
			}
		}
	}
}

func (c *collector) note(metric string, labels []*commonpb.KeyValue) {
	for _, kv := range labels {
		c.labels[metric][kv.Key] = true
	}
}

// seriesOf is a series' attributes in one text.
func seriesOf(attrs []*commonpb.KeyValue) string {
	var parts []string
	for key, value := range textsOf(attrs) {
		parts = append(parts, key+"="+value)
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}

// textsOf are attributes that are texts.
func textsOf(attrs []*commonpb.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, kv := range attrs {
		m[kv.Key] = kv.Value.GetStringValue()
	}
	return m
}
