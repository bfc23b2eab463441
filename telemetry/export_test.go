package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
)

// reports collects what OnError hears.
type reports struct {
	mu  sync.Mutex
	all []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, err)
}

func (r *reports) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.all)
}

func setup(t testing.TB, c Config) *Telemetry {
	t.Helper()
	var tel *Telemetry
	// One that waits for its collector does so each time; one that only found
	// the machine busy does not.
	fastest := time.Hour
	for range 3 {
		start := time.Now()
		made, err := Setup(t.Context(), c, new(fakeSource))
		if err != nil {
			t.Fatal(err)
		}
		fastest = min(fastest, time.Since(start))
		t.Cleanup(func() { _ = made.Shutdown(context.Background()) }) // a second one does nothing
		if tel = made; fastest < time.Second {
			return tel
		}
	}
	t.Errorf("Setup took %v", fastest)
	return tel
}

// What the environment says, and what the configuration says, both get spans
// and metrics to a collector by both protocols.
func TestOTLP(t *testing.T) {
	clearEnv(t)
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		for _, by := range []string{"env", "config"} {
			t.Run(protocol+" by "+by, func(t *testing.T) {
				collector := newCollector(t, protocol, "ok")
				var heard reports
				c := trusting()
				c.App, c.OnError, c.ShutdownTimeout = "shop", heard.add, 10*time.Second
				if by == "env" {
					t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
					t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
					t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")
					t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
					t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "9000")
					t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
					t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
					t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
					t.Setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
					t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "team=a")
					c.Traces.Endpoint, c.Metrics.Endpoint = "http://127.0.0.1:1", "http://127.0.0.1:1" // must not be asked
					c.Logs.Exporter = Exporter{Headers: map[string]string{"api-key": "of the file"}, Compression: "none", Timeout: time.Nanosecond}
				} else {
					out := Exporter{
						Exporters: []string{"otlp"}, Protocol: protocol, Endpoint: collector.url,
						Headers: map[string]string{"api-key": "secret"}, Compression: "gzip",
					}
					c.Traces.Exporter, c.Metrics.Exporter, c.Logs.Exporter = out, out, out
					c.Metrics.Temporality = "delta"
				}
				tel := setup(t, c)
				header := carry(tel.Observer("web", nil), request("GET", "http://web.local/", "traceparent", sampledParent), good)
				if p, _ := parseTraceparent([]byte(header.Get("Traceparent"))); p.trace.String() != callersTrace || p.span.String() == callersSpan {
					t.Errorf("the backend saw %v", header)
				}
				tel.Tell(LevelWarn, "odd: \xff", PanicChanged{Upstream: "web", On: true})
				tel.Log(Line{Level: LevelError, Message: "not asked for"})
				if err := tel.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				collector.mu.Lock()
				defer collector.mu.Unlock()
				if !slices.Equal(collector.spans, []string{"GET", "GET"}) {
					t.Errorf("spans: %q", collector.spans)
				}
				for _, name := range []string{httpServerDuration, httpClientDuration, telemetrySpans, buildInfo, "go.goroutine.count"} {
					if !collector.metrics[name] {
						t.Errorf("%s did not arrive", name)
					}
				}
				if collector.resource["service.name"] != "outrigger" || collector.resource["outrigger.app.name"] != "shop" {
					t.Errorf("resource: %v", collector.resource)
				}
				if len(collector.records) != 1 || collector.records[0].EventName != eventPanicChanged || !strings.HasPrefix(collector.records[0].Body.GetStringValue(), "odd: ") {
					t.Errorf("log records: %v", collector.records)
				}
				if collector.header.Get("Api-Key") != "secret" || !collector.gzipped || !collector.delta || by == "env" && collector.resource["team"] != "a" {
					t.Errorf("not as the environment says: %v, %v", collector.header, collector.resource)
				}
				if got := fatesOf(&tel.exports.spans); got != (counted{offered: 2, exported: 2}) || heard.count() != 0 {
					t.Errorf("spans: %+v; heard %v", got, heard.all)
				}
				if got := fatesOf(&tel.exports.records); got != (counted{offered: 1, exported: 1}) {
					t.Errorf("records: %+v", got)
				}
			})
		}
	}
}

// A receiver reads the same spans however they are sent.
func TestSpansArriveWhole(t *testing.T) {
	clearEnv(t)
	for _, protocol := range []string{protocolGRPC, protocolHTTP, "http/json"} {
		t.Run(protocol, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", protocol)
			t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3")
			by := protocol
			if by != protocolGRPC {
				by = protocolHTTP
			}
			collector := newCollector(t, by, "ok")
			c := trusting()
			c.Traces.Exporter = Exporter{Exporters: []string{"otlp"}, Endpoint: collector.url}
			tel := setup(t, c)
			for range 4 {
				carry(tel.Observer("web", nil), request("GET", "http://web.local/a?b=c", "traceparent", sampledParent, "tracestate", "a=1"), good)
			}
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			collector.mu.Lock()
			defer collector.mu.Unlock()
			if len(collector.whole) != 3 || len(collector.spans) != 8 {
				t.Fatalf("%d exports, of %d spans", len(collector.whole), len(collector.spans))
			}
			for _, rs := range collector.whole {
				if rs.SchemaUrl == "" || rs.ScopeSpans[0].SchemaUrl == "" || rs.ScopeSpans[0].Scope.Name != scope || rs.ScopeSpans[0].Scope.Version != "1.2.3" {
					t.Errorf("not as it should be: %v", rs)
				}
				for _, s := range rs.ScopeSpans[0].Spans {
					got := textsOf(s.Attributes)
					path, flags := got["url.path"], uint32(0x301)
					if s.Kind == tracepb.Span_SPAN_KIND_CLIENT {
						path, flags = strings.TrimSuffix(strings.TrimPrefix(got["url.full"], "http://web.local"), "?b=c"), 0x101
					}
					if got["outrigger.upstream.name"] != "web" || path != "/a" || s.TraceState != "a=1" || s.Flags != flags || s.EndTimeUnixNano-s.StartTimeUnixNano != uint64(good.Took) {
						t.Errorf("%v", s)
					}
				}
			}
		})
	}
}

// Spans with text that is no UTF-8 must not spoil the batch they are in.
func TestOTLPOfAnOddRequest(t *testing.T) {
	clearEnv(t)
	collector := newCollector(t, protocolHTTP, "ok")
	c := trusting()
	c.Traces.Exporter = Exporter{Exporters: []string{"otlp"}, Protocol: protocolHTTP, Endpoint: collector.url}
	tel := setup(t, c)
	r := request("\xfc", "http://\xfd/\xfb?\xfe=\xfe", "User-Agent", "\xff", "Content-Type", "application/grpc")
	carry(tel.Observer("web", nil), r, proxy.Result{Error: "\xfa", GRPC: -1})
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n := tel.exports.spans.exported.Load(); n != 2 {
		t.Errorf("%d exported", n)
	}
}

// What cannot work is told, and nothing of it is left running.
func TestSetupThatFails(t *testing.T) {
	clearEnv(t)
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", file)
	out := Exporter{Exporters: []string{"otlp", "stdout"}, Protocol: protocolHTTP, Endpoint: "http://127.0.0.1:1"}
	c := Config{Traces: Traces{Exporter: out}, Metrics: Metrics{Exporter: out}}
	c.Metrics.Exporters = []string{"prometheus", "otlp"}
	if _, err := Setup(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "traces to otlp") {
		t.Error(err)
	}
}

// Metrics are pushed at the environment's interval, without being asked.
func TestPush(t *testing.T) {
	clearEnv(t)
	collector := newCollector(t, protocolGRPC, "ok")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", collector.url)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
	c := Config{Metrics: Metrics{Interval: time.Hour}}
	tel := setup(t, c)
	<-collector.asks
	if tel.scrape == nil {
		t.Error("prometheus did not stay")
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStdout(t *testing.T) {
	clearEnv(t)
	var mu sync.Mutex
	var written bytes.Buffer
	out := writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return written.Write(p)
	})
	e, u := newExports(), newUpstreams("", Metrics{})
	d := destination{exporters: []string{exporterStdout}}
	readers, _, err := newReaders(t.Context(), d, pushing{interval: time.Hour}, e, u, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	processors, err := newSpanQueues(t.Context(), d, batching{defaultQueue, 512, time.Hour, time.Second}, origin{}, e, out)
	if err != nil {
		t.Fatal(err)
	}
	queues, err := newLogProcessors(t.Context(), d, defaultQueue, e, out)
	if err != nil {
		t.Fatal(err)
	}
	c := trusting()
	c.ShutdownTimeout = 5 * time.Second
	tel, err := assemble(c, nil, nil, pipeline{processors: processors, readers: readers, queues: queues, exports: e, upstreams: u}, new(reporter))
	if err != nil {
		t.Fatal(err)
	}
	carry(tel.Observer("web", nil), request("GET", "http://web.local/"), good)
	tel.Tell(LevelInfo, "told", ConfigReloaded{})
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	lines := 0
	for decoder := json.NewDecoder(&written); decoder.More(); lines++ {
		var line map[string]any
		if err := decoder.Decode(&line); err != nil {
			t.Fatal(err)
		}
	}
	if lines != 4 {
		t.Errorf("%d objects, not two spans, an event and the metrics", lines)
	}
}

// Where nothing is exported nothing runs, and headers pass as they are.
func TestDisabled(t *testing.T) {
	clearEnv(t)
	for name, set := range map[string]func(*testing.T, *Config){
		"OTEL_SDK_DISABLED": func(t *testing.T, c *Config) {
			t.Setenv("OTEL_SDK_DISABLED", "TRUE")
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			c.Traces.Exporters = []string{"otlp"}
		},
		"none by env": func(t *testing.T, c *Config) {
			t.Setenv("OTEL_TRACES_EXPORTER", "none")
			t.Setenv("OTEL_METRICS_EXPORTER", "none")
			c.Traces.Exporters = []string{"otlp"}
		},
		"none by config": func(_ *testing.T, c *Config) {
			c.Traces.Exporters, c.Metrics.Exporters, c.Logs.Exporters = []string{"none"}, []string{"none"}, []string{"none"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := trusting()
			set(t, &c)
			tel := setup(t, c)
			o := tel.Observer("web", nil)
			if o != (proxy.Unobserved{}) {
				t.Errorf("observed by %T", o)
			}
			if got := carry(o, request("GET", "http://web.local/", "traceparent", sampledParent), good); got.Get("Traceparent") != sampledParent {
				t.Errorf("%v", got)
			}
			tel.HealthCheck("web", "http", true, time.Second)
			tel.Propagated("web", time.Second)
			tel.Tell(LevelInfo, "told", ConfigReloaded{})
			tel.Log(Line{Level: LevelError, Message: "logged"})
			if code, _ := scrape(t, tel, ""); code != 404 {
				t.Errorf("a scrape gets %d", code)
			}
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }
