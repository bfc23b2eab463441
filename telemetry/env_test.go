package telemetry

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// clearEnv takes what the machine has in OTEL_* out of a test.
func clearEnv(t *testing.T) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OTEL_") || strings.HasPrefix(name, "NOMAD_") {
			t.Setenv(name, "")
		}
	}
}

func TestPrecedence(t *testing.T) {
	clearEnv(t)
	for name, test := range map[string]struct {
		signal   string
		config   Exporter
		env      []string // as pairs
		to       []string
		protocol string
		endpoint string
		reports  int
	}{
		"logs: nothing":               {signal: signalLogs, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"logs: config":                {signal: signalLogs, config: Exporter{Exporters: []string{"otlp"}, Protocol: protocolHTTP}, to: []string{"otlp"}, protocol: protocolHTTP, endpoint: "http://localhost:4318/v1/logs"},
		"logs: env":                   {signal: signalLogs, config: Exporter{Exporters: []string{"stdout"}}, env: []string{"OTEL_LOGS_EXPORTER", "otlp,console", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://e"}, to: []string{"otlp", "stdout"}, protocol: protocolGRPC},
		"logs: no scrapes":            {signal: signalLogs, env: []string{"OTEL_LOGS_EXPORTER", "prometheus"}, protocol: protocolGRPC, endpoint: "http://localhost:4317", reports: 1},
		"config: TLS by default":      {signal: signalLogs, config: Exporter{TLS: TLS{ServerName: "c"}}, protocol: protocolGRPC, endpoint: "https://localhost:4317"},
		"traces: nothing":             {signal: signalTraces, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"metrics: nothing":            {signal: signalMetrics, to: []string{"prometheus"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"config":                      {signal: signalTraces, config: Exporter{Exporters: []string{"otlp", "stdout"}, Protocol: protocolHTTP, Endpoint: "http://c:1/base"}, to: []string{"otlp", "stdout"}, protocol: protocolHTTP, endpoint: "http://c:1/base/v1/traces"},
		"config: full path":           {signal: signalMetrics, config: Exporter{Exporters: []string{"otlp"}, Protocol: protocolHTTP, Endpoint: "https://c/v1/metrics"}, to: []string{"otlp"}, protocol: protocolHTTP, endpoint: "https://c/v1/metrics"},
		"config: grpc has no path":    {signal: signalTraces, config: Exporter{Exporters: []string{"otlp"}, Endpoint: "https://c:4317"}, to: []string{"otlp"}, protocol: protocolGRPC, endpoint: "https://c:4317"},
		"config: http by default":     {signal: signalMetrics, config: Exporter{Exporters: []string{"otlp"}, Protocol: protocolHTTP}, to: []string{"otlp"}, protocol: protocolHTTP, endpoint: "http://localhost:4318/v1/metrics"},
		"config: none":                {signal: signalMetrics, config: Exporter{Exporters: []string{"none"}}, env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://e"}, protocol: protocolGRPC},
		"env: exporter":               {signal: signalTraces, config: Exporter{Exporters: []string{"stdout"}}, env: []string{"OTEL_TRACES_EXPORTER", " otlp , console,otlp"}, to: []string{"otlp", "stdout"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"env: none":                   {signal: signalMetrics, config: Exporter{Exporters: []string{"otlp"}}, env: []string{"OTEL_METRICS_EXPORTER", "none"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"env: another signal":         {signal: signalTraces, env: []string{"OTEL_METRICS_EXPORTER", "otlp"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"env: metrics to several":     {signal: signalMetrics, env: []string{"OTEL_METRICS_EXPORTER", "prometheus,otlp"}, to: []string{"prometheus", "otlp"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"env: unknown exporter":       {signal: signalTraces, config: Exporter{Exporters: []string{"stdout"}}, env: []string{"OTEL_TRACES_EXPORTER", "zipkin"}, to: []string{"stdout"}, protocol: protocolGRPC, endpoint: "http://localhost:4317", reports: 1},
		"env: one unknown of two":     {signal: signalTraces, env: []string{"OTEL_TRACES_EXPORTER", "prometheus,otlp"}, to: []string{"otlp"}, protocol: protocolGRPC, endpoint: "http://localhost:4317", reports: 1},
		"env: empty is unset":         {signal: signalTraces, config: Exporter{Exporters: []string{"stdout"}}, env: []string{"OTEL_TRACES_EXPORTER", " "}, to: []string{"stdout"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"env: endpoint alone":         {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://e:4317"}, to: []string{"otlp"}, protocol: protocolGRPC},
		"env: endpoint at 4318":       {signal: signalTraces, config: Exporter{Protocol: "grpc"}, env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://e:4318"}, to: []string{"otlp"}, protocol: protocolHTTP},
		"env: 4318 and a protocol":    {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://e:4318", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, to: []string{"otlp"}, protocol: protocolGRPC},
		"env: endpoint of signal":     {signal: signalMetrics, env: []string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://e"}, to: []string{"prometheus", "otlp"}, protocol: protocolGRPC},
		"env: endpoint of other":      {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://e"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"env: endpoint, none by env":  {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://e", "OTEL_TRACES_EXPORTER", "none"}, protocol: protocolGRPC},
		"env: endpoint over config":   {signal: signalTraces, config: Exporter{Exporters: []string{"otlp"}, Endpoint: "http://c:1"}, env: []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://e"}, to: []string{"otlp"}, protocol: protocolGRPC},
		"env: protocol over config":   {signal: signalTraces, config: Exporter{Exporters: []string{"otlp"}, Protocol: "grpc", Endpoint: "http://c:1"}, env: []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"}, to: []string{"otlp"}, protocol: protocolHTTP, endpoint: "http://c:1/v1/traces"},
		"env: the signal's protocol":  {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"}, protocol: protocolGRPC, endpoint: "http://localhost:4317"},
		"env: unknown protocol":       {signal: signalTraces, config: Exporter{Protocol: protocolHTTP}, env: []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "smoke"}, protocol: protocolHTTP, endpoint: "http://localhost:4318/v1/traces", reports: 1},
		"env: JSON is HTTP":           {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"}, protocol: protocolHTTP, endpoint: "http://localhost:4318/v1/traces"},
		"env: TLS by default":         {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"}, protocol: protocolGRPC},
		"env: insecure false":         {signal: signalTraces, env: []string{"OTEL_EXPORTER_OTLP_INSECURE", "false"}, protocol: protocolGRPC},
		"config: endpoint beside TLS": {signal: signalTraces, config: Exporter{Endpoint: "https://c:1"}, env: []string{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"}, protocol: protocolGRPC, endpoint: "https://c:1"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := 0; i < len(test.env); i += 2 {
				t.Setenv(test.env[i], test.env[i+1])
			}
			reports := 0
			chosen := choices{report: func(error) { reports++ }}
			got, err := chosen.destinationOf(test.signal, test.config)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.exporters, test.to) || got.protocol != test.protocol || got.endpoint != test.endpoint || reports != test.reports {
				t.Errorf("%+v, %d reports", got, reports)
			}
		})
	}
}

func TestInterval(t *testing.T) {
	clearEnv(t)
	for _, test := range []struct {
		env          string
		config, want time.Duration
	}{
		{"", 0, time.Minute}, {"", time.Second, time.Second}, {"500", time.Second, 0}, {"nonsense", time.Second, time.Second}, {"-1", 0, time.Minute},
	} {
		t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", test.env)
		if got := new(choices).intervalOf(test.config); got != test.want {
			t.Errorf("%q, %v: %v", test.env, test.config, got)
		}
	}
}

func TestNonsenseConfiguration(t *testing.T) {
	clearEnv(t)
	for name, c := range map[string]Config{
		"exporter":         {Traces: Traces{Exporter: Exporter{Exporters: []string{"zipkin"}}}},
		"traces to scrape": {Traces: Traces{Exporter: Exporter{Exporters: []string{"prometheus"}}}},
		"none and more":    {Metrics: Metrics{Exporter: Exporter{Exporters: []string{"none", "otlp"}}}},
		"protocol":         {Metrics: Metrics{Exporter: Exporter{Protocol: "http/json"}}},
		"endpoint":         {Traces: Traces{Exporter: Exporter{Endpoint: "collector:4317"}}},
		"endpoint's host":  {Traces: Traces{Exporter: Exporter{Endpoint: "http://"}}},
		"endpoint at all":  {Traces: Traces{Exporter: Exporter{Endpoint: "http://[::"}}},
		"compression":      {Logs: Logs{Exporter: Exporter{Compression: "zip"}}},
		"export's timeout": {Logs: Logs{Exporter: Exporter{Timeout: -1}}},
		"TLS in the clear": {Logs: Logs{Exporter: Exporter{Endpoint: "http://c", TLS: TLS{CAFile: "ca.pem"}}}},
		"TLS without file": {Logs: Logs{Exporter: Exporter{Exporters: []string{"otlp"}, TLS: TLS{CAFile: "nowhere.pem"}}}},
		"half a pair":      {Traces: Traces{Exporter: Exporter{Exporters: []string{"otlp"}, TLS: TLS{CertFile: "cert.pem"}}}},
		"logs to scrape":   {Logs: Logs{Exporter: Exporter{Exporters: []string{"prometheus"}}}},
		"temporality":      {Metrics: Metrics{Temporality: "eternal"}},
		"buckets":          {Metrics: Metrics{LatencyBuckets: []time.Duration{2, 1}}},
		"a bucket":         {Metrics: Metrics{LatencyBuckets: []time.Duration{0, 1}}},
		"backends":         {Metrics: Metrics{BackendLimit: -1}},
		"ratio":            {Traces: Traces{SampleRatio: 1.5}},
		"interval":         {Metrics: Metrics{Interval: -1}},
		"timeout":          {ShutdownTimeout: -1},
	} {
		if _, err := Setup(t.Context(), c, nil); err == nil || !strings.HasPrefix(err.Error(), "telemetry: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResource(t *testing.T) {
	clearEnv(t)
	t.Setenv("NOMAD_JOB_NAME", "shop")
	read := func(c Config) map[string]string {
		r, err := newResource(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return labelsOf(*r.Set())
	}
	got := read(Config{App: "orders", Version: "1.2"})
	for key, want := range map[string]string{
		"service.name": "outrigger", "service.version": "1.2", "outrigger.app.name": "orders", "nomad.job.name": "shop",
		"telemetry.sdk.language": "go",
	} {
		if got[key] != want {
			t.Errorf("%s is %q", key, got[key])
		}
	}
	if got["service.instance.id"] == "" || got["service.instance.id"] == read(Config{})["service.instance.id"] {
		t.Errorf("instance %q", got["service.instance.id"])
	}
	if _, ok := got["nomad.alloc.id"]; ok || got["host.name"] == "" || got["process.pid"] == "" {
		t.Errorf("%v", got)
	}
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=mine,outrigger.app.name=other,service.name=lost,team=a")
	t.Setenv("OTEL_SERVICE_NAME", "sidecar")
	got = read(Config{App: "orders"})
	if got["service.name"] != "sidecar" || got["service.instance.id"] != "mine" || got["outrigger.app.name"] != "other" || got["team"] != "a" {
		t.Errorf("the environment is not heard: %v", got)
	}
}
