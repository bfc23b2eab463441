package telemetry

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // the server must know it
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// fakeCollector receives OTLP, by gRPC or HTTP, and behaves as its mode says:
// "ok", "unavailable", "hang" (until the client gives up) or "refuse" (nothing
// listens).
type fakeCollector struct {
	url  string
	mode string
	asks chan struct{} // gets a word with each export, when there is room

	mu       sync.Mutex
	resource map[string]string
	spans    []string // names
	whole    []*tracepb.ResourceSpans
	metrics  map[string]bool
	records  []*logspb.LogRecord
	delta    bool // a sum came that does not count from the start
	header   http.Header
	gzipped  bool
}

func newCollector(t testing.TB, protocol, mode string) *fakeCollector {
	t.Helper()
	c := &fakeCollector{mode: mode, asks: make(chan struct{}, 1), metrics: make(map[string]bool), header: make(http.Header)}
	if protocol == protocolHTTP {
		s := httptest.NewServer(c)
		c.url = s.URL
		if mode == "refuse" {
			s.Close()
		} else {
			t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
		}
		return c
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.url = "http://" + l.Addr().String()
	if mode == "refuse" {
		l.Close()
		return c
	}
	s := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(s, grpcTraces{c: c})
	colmetrics.RegisterMetricsServiceServer(s, grpcMetrics{c: c})
	collogs.RegisterLogsServiceServer(s, grpcLogs{c: c})
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Errorf("collector: %v", err)
		}
	})
	return c
}

// answer waits or fails as the mode has it.
func (c *fakeCollector) answer(ctx context.Context) error {
	select {
	case c.asks <- struct{}{}:
	default:
	}
	switch c.mode {
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	case "unavailable":
		return status.Error(codes.Unavailable, "not now")
	}
	return nil
}

func (c *fakeCollector) takeTraces(r *coltrace.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = append(c.whole, r.ResourceSpans...)
	for _, rs := range r.ResourceSpans {
		c.resource = textsOf(rs.Resource.Attributes)
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans = append(c.spans, s.Name)
			}
		}
	}
}

func (c *fakeCollector) takeMetrics(r *colmetrics.ExportMetricsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rm := range r.ResourceMetrics {
		c.resource = textsOf(rm.Resource.Attributes)
		for _, sm := range rm.ScopeMetrics {
			for _, m := range sm.Metrics {
				c.metrics[m.Name] = true
				c.delta = c.delta || m.GetSum().GetAggregationTemporality() == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA
			}
		}
	}
}

func (c *fakeCollector) takeLogs(r *collogs.ExportLogsServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rl := range r.ResourceLogs {
		c.resource = textsOf(rl.Resource.Attributes)
		for _, sl := range rl.ScopeLogs {
			c.records = append(c.records, sl.LogRecords...)
		}
	}
}

func textsOf(attrs []*commonpb.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, kv := range attrs {
		m[kv.Key] = kv.Value.GetStringValue()
	}
	return m
}

type grpcTraces struct {
	coltrace.UnimplementedTraceServiceServer
	c *fakeCollector
}

func (g grpcTraces) Export(ctx context.Context, r *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	if err := g.c.answer(ctx); err != nil {
		return nil, err
	}
	g.c.takeTraces(r)
	g.c.takeHeader(ctx)
	return &coltrace.ExportTraceServiceResponse{}, nil
}

type grpcMetrics struct {
	colmetrics.UnimplementedMetricsServiceServer
	c *fakeCollector
}

func (g grpcMetrics) Export(ctx context.Context, r *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	if err := g.c.answer(ctx); err != nil {
		return nil, err
	}
	g.c.takeMetrics(r)
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

type grpcLogs struct {
	collogs.UnimplementedLogsServiceServer
	c *fakeCollector
}

func (g grpcLogs) Export(ctx context.Context, r *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	if err := g.c.answer(ctx); err != nil {
		return nil, err
	}
	g.c.takeLogs(r)
	g.c.takeHeader(ctx)
	return &collogs.ExportLogsServiceResponse{}, nil
}

func (c *fakeCollector) takeHeader(ctx context.Context) {
	md, _ := metadata.FromIncomingContext(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, values := range md {
		for _, v := range values {
			c.header.Add(key, v)
		}
	}
	c.gzipped = c.header.Get("Grpc-Accept-Encoding") != ""
}

// ServeHTTP is the collector by HTTP.
func (c *fakeCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	gzipped := r.Header.Get("Content-Encoding") == "gzip"
	if gzipped {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := c.answer(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	switch r.URL.Path {
	case "/v1/traces":
		var m coltrace.ExportTraceServiceRequest
		read := proto.Unmarshal
		if r.Header.Get("Content-Type") == "application/json" {
			read = protojson.Unmarshal // but for IDs, which are hexadecimal there
		}
		if err = read(data, &m); err == nil {
			c.takeTraces(&m)
		}
	case "/v1/metrics":
		var m colmetrics.ExportMetricsServiceRequest
		if err = proto.Unmarshal(data, &m); err == nil {
			c.takeMetrics(&m)
		}
	case "/v1/logs":
		var m collogs.ExportLogsServiceRequest
		if err = proto.Unmarshal(data, &m); err == nil {
			c.takeLogs(&m)
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header, c.gzipped = r.Header.Clone(), gzipped
}
