package telemetry

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// secureCollector is one by TLS, and the file of whom to trust.
func secureCollector(t *testing.T, protocol string) (c *fakeCollector, caFile string) {
	t.Helper()
	c = &fakeCollector{mode: "ok", asks: make(chan struct{}, 1), metrics: make(map[string]bool), header: make(map[string][]string)}
	s := httptest.NewUnstartedServer(c)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // those who do not trust it hang up
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	c.url = s.URL
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if protocol == protocolHTTP {
		return c, caFile
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&s.TLS.Certificates[0])))
	coltrace.RegisterTraceServiceServer(g, grpcTraces{c: c})
	colmetrics.RegisterMetricsServiceServer(g, grpcMetrics{c: c})
	collogs.RegisterLogsServiceServer(g, grpcLogs{c: c})
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() { g.Stop(); <-done })
	c.url = "https://" + l.Addr().String()
	return c, caFile
}

func TestTLSByConfiguration(t *testing.T) {
	clearEnv(t)
	for _, protocol := range []string{protocolGRPC, protocolHTTP} {
		t.Run(protocol, func(t *testing.T) {
			collector, caFile := secureCollector(t, protocol)
			out := Exporter{Exporters: []string{"otlp"}, Protocol: protocol, Endpoint: collector.url, TLS: TLS{CAFile: caFile, ServerName: "example.com"}}
			c := trusting()
			c.Traces.Exporter, c.Metrics.Exporter, c.Logs.Exporter, c.ShutdownTimeout = out, out, out, 10*time.Second
			tel := setup(t, c)
			carry(tel.Observer("web", nil), request("GET", "http://web.local/"), good)
			tel.Tell(LevelInfo, "told", ConfigReloaded{})
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			collector.mu.Lock()
			defer collector.mu.Unlock()
			if len(collector.spans) != 2 || len(collector.records) != 1 || !collector.metrics[buildInfo] {
				t.Errorf("arrived: %q, %v, %v", collector.spans, collector.records, collector.metrics)
			}
		})
	}
	t.Run("whom nobody trusts", func(t *testing.T) {
		collector, _ := secureCollector(t, protocolHTTP)
		c := trusting()
		c.Logs.Exporter = Exporter{Exporters: []string{"otlp"}, Protocol: protocolHTTP, Endpoint: collector.url}
		c.ShutdownTimeout = 200 * time.Millisecond
		tel := setup(t, c)
		tel.Tell(LevelInfo, "told", ConfigReloaded{})
		if err := tel.Shutdown(t.Context()); err == nil || len(collector.records) != 0 {
			t.Errorf("%v, and %d records", err, len(collector.records))
		}
	})
	t.Run("the environment wants none", func(t *testing.T) {
		collector := newCollector(t, protocolHTTP, "ok")
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
		t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocolHTTP)
		var heard reports
		c := trusting()
		c.Logs.Exporter, c.OnError = Exporter{Exporters: []string{"otlp"}, TLS: TLS{CAFile: "nowhere.pem"}}, heard.add
		tel := setup(t, c)
		tel.Tell(LevelInfo, "told", ConfigReloaded{})
		if err := tel.Shutdown(t.Context()); err != nil || heard.count() != 1 {
			t.Errorf("%v; heard %v", err, heard.all)
		}
	})
}
