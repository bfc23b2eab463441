package telemetry

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// scrape asks t for metrics as a client that accepts what is given.
func scrape(t testing.TB, tel *Telemetry, accept string) (code int, body string) {
	t.Helper()
	r := httptest.NewRequest("GET", "/metrics", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// Durations of sampled requests lead to their traces.
func TestExemplarsOfAScrape(t *testing.T) {
	rig := newRig(t, trusting())
	u := newUpstreams("", Metrics{})
	reader, handler, err := newScrape(u, rig.report)
	if err != nil {
		t.Fatal(err)
	}
	p := pipeline{exports: newExports(), upstreams: u, readers: []sdkmetric.Reader{reader}, processors: rig.processors, scrape: handler}
	tel, err := assemble(Config{Traces: trusting().Traces, ShutdownTimeout: time.Second}, nil, nil, p, rig.report)
	if err != nil {
		t.Fatal(err)
	}
	carry(tel.Observer("web", nil), request("GET", "http://web.local/", "traceparent", sampledParent), good)
	_, body := scrape(t, tel, "application/openmetrics-text; version=1.0.0")
	if !regexp.MustCompile(`http_server_request_duration_seconds_bucket\{.*\} 1 # \{.*trace_id="` + callersTrace + `".*\}`).MatchString(body) {
		t.Errorf("no exemplar:\n%s", body)
	}
	if _, body := scrape(t, tel, ""); strings.Contains(body, "trace_id") {
		t.Error("an exemplar where the format has no place for one")
	}
	if !strings.Contains(body, "\ngo_schedule_duration_seconds_count") {
		t.Error("no scheduling latencies of the runtime")
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestScrape(t *testing.T) {
	clearEnv(t)
	c := trusting()
	c.OnError = func(err error) { t.Errorf("heard: %v", err) }
	source := new(fakeSource)
	source.set(everything()...)
	source.state.Store(&AgentState{LastReload: time.Now()})
	tel, err := Setup(t.Context(), c, source)
	if err != nil {
		t.Fatal(err)
	}
	carry(tel.Observer("web", nil), request("GET", "http://web.local/"), good)
	tel.HealthCheck("web", "http", false, time.Second)
	tel.Propagated("web", time.Millisecond)

	code, body := scrape(t, tel, "")
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	for _, name := range []string{
		"http_server_request_duration_seconds", "http_client_request_duration_seconds", "http_client_open_connections",
		"outrigger_backend_count", "outrigger_backend_requests_total", "outrigger_backend_request_time_seconds_total",
		"outrigger_backend_latency_ewma_seconds", "outrigger_tcp_io_bytes_total", "outrigger_discovery_staleness_seconds",
		"outrigger_config_last_success_time_seconds", "outrigger_backend_share", "outrigger_backend_shadow_requests_total",
		"outrigger_shadow_picks_total", "outrigger_shadow_imbalance", "outrigger_queue_waiting", "outrigger_queue_requests_total", "outrigger_build_info", "go_goroutine_count", "target_info",
	} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	if !strings.Contains(body, `http_server_request_duration_seconds_count{`) || strings.Contains(body, "otel_scope") {
		t.Errorf("not as expected:\n%s", body)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Metric == "outrigger_backend_count" {
			continue // the suffix is a histogram's, but so is the name that OpenTelemetry would have
		}
		if strings.HasPrefix(p.Metric, "http_") || strings.HasPrefix(p.Metric, "outrigger_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if _, body := scrape(t, tel, "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(body, "# EOF\n") {
		t.Error("no OpenMetrics")
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
