package telemetry

import (
	"strings"
	"testing"
	"time"
)

// A file that other programs would read is not read here, which is told.
func TestConfigFileIsNotRead(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_CONFIG_FILE", "/etc/otel.yaml")
	var heard reports
	c := trusting()
	c.OnError = heard.add
	if err := setup(t, c).Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if heard.count() != 1 || !strings.Contains(heard.all[0].Error(), "OTEL_CONFIG_FILE is not read here") {
		t.Errorf("heard %v", heard.all)
	}
}

func TestSettings(t *testing.T) {
	clearEnv(t)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://user:secret@127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret,team=secret")
	t.Setenv("OTEL_LOGS_EXPORTER", "none")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "30000")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1500")
	t.Setenv("OTEL_BSP_EXPORT_TIMEOUT", "-1")
	c := trusting()
	c.App, c.ShutdownTimeout = "shop", 100*time.Millisecond
	c.Traces.SampleRatio = 0.5
	c.Metrics.Exporter = Exporter{Exporters: []string{"otlp"}, Endpoint: "http://127.0.0.1:1", Timeout: time.Second, Compression: "gzip"}
	c.Metrics.LatencyBuckets = []time.Duration{time.Millisecond, 20 * time.Millisecond}
	tel := setup(t, c)
	got := make(map[string]Setting)
	for _, s := range tel.Settings() {
		if _, twice := got[s.Name]; twice {
			t.Errorf("%s is told twice", s.Name)
		}
		got[s.Name] = s
		if strings.Contains(s.Value, "secret") {
			t.Errorf("a secret is shown: %+v", s)
		}
		if (s.Variable != "") != (s.Origin == OriginEnv) {
			t.Errorf("%+v", s)
		}
	}
	for _, want := range []Setting{
		{"disabled", "false", OriginDefault, ""},
		{"app", "shop", OriginFile, ""},
		{"service.name", "outrigger", OriginDefault, ""},
		{"traces.exporters", "otlp", OriginEnv, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		{"traces.protocol", "grpc", OriginDefault, ""},
		{"traces.endpoint", "https://user:xxxxx@127.0.0.1:1", OriginEnv, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
		{"traces.headers", "api-key, team", OriginEnv, "OTEL_EXPORTER_OTLP_HEADERS"},
		{"traces.timeout", "10s", OriginDefault, ""},
		{"traces.sample_ratio", "0.5", OriginFile, ""},
		{"traces.queue", "4096", OriginDefault, ""},
		{"traces.batch", "1024", OriginDefault, ""},
		{"traces.delay", "1.5s", OriginEnv, "OTEL_BSP_SCHEDULE_DELAY"},
		{"traces.export_timeout", "30s", OriginDefault, ""},
		{"metrics.exporters", "otlp", OriginFile, ""},
		{"metrics.protocol", "http/protobuf", OriginEnv, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"},
		{"metrics.endpoint", "http://127.0.0.1:1/v1/metrics", OriginFile, ""},
		{"metrics.compression", "gzip", OriginFile, ""},
		{"metrics.timeout", "1s", OriginFile, ""},
		{"metrics.interval", "30s", OriginEnv, "OTEL_METRIC_EXPORT_INTERVAL"},
		{"metrics.temporality", "cumulative", OriginDefault, ""},
		{"metrics.latency_buckets", "1ms, 20ms", OriginFile, ""},
		{"metrics.body_size", "false", OriginDefault, ""},
		{"metrics.connection_duration", "false", OriginDefault, ""},
		{"metrics.backend_limit", "256", OriginDefault, ""},
		{"logs.exporters", "none", OriginEnv, "OTEL_LOGS_EXPORTER"},
		{"shutdown_timeout", "100ms", OriginFile, ""},
	} {
		if got[want.Name] != want {
			t.Errorf("%+v, not %+v", got[want.Name], want)
		}
	}
	t.Setenv("OTEL_SDK_DISABLED", "true")
	if got := setup(t, c).Settings(); len(got) != 1 || got[0] != (Setting{"disabled", "true", OriginEnv, "OTEL_SDK_DISABLED"}) {
		t.Errorf("%+v", got)
	}
}
