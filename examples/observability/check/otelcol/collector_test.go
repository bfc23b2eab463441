package otelcol

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/debugexporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/batchprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// here is laid over the example's configuration: other addresses, and all that
// arrives is passed on to the test as JSON.
const here = `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: "%s" }
      http: { endpoint: "%s" }
exporters:
  otlp_http/test: { endpoint: "%s", encoding: json, compression: none }
service:
  pipelines:
    traces: { exporters: [otlp_http/test] }
    metrics: { exporters: [otlp_http/test] }
    logs: { exporters: [otlp_http/test] }
  telemetry:
    metrics: { level: none, readers: [] }
    logs: { level: warn }
`

// collector is one at work.
type collector struct{ grpc, http string } // addresses

// startCollector starts one that passes on what it gets to a URL. stop ends
// it, when all that it got is there.
func startCollector(t *testing.T, to string) (c collector, stop func()) {
	t.Helper()
	c = collector{freeAddress(t), freeAddress(t)}
	path := filepath.Join(t.TempDir(), "here.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, here, c.grpc, c.http, to), 0o600); err != nil {
		t.Fatal(err)
	}
	running, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.NewDefaultBuildInfo(),
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              []string{"file:../../collector.yaml", "file:" + path},
			ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
		}},
		DisableGracefulShutdown: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- running.Run(context.Background()) }()
	for deadline := time.Now().Add(time.Minute); running.GetState() != otelcol.StateRunning; time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("the collector ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the collector does not start")
		}
	}
	return c, func() {
		t.Helper()
		running.Shutdown()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

func factories() (f otelcol.Factories, err error) {
	f.Telemetry = otelconftelemetry.NewFactory()
	if f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory()); err != nil {
		return f, err
	}
	if f.Processors, err = otelcol.MakeFactoryMap[processor.Factory](batchprocessor.NewFactory()); err != nil {
		return f, err
	}
	f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](debugexporter.NewFactory(), otlpexporter.NewFactory(), otlphttpexporter.NewFactory())
	return f, err
}

// freeAddress is one that nobody listens on, for a program that cannot tell
// which it took. It is not of those that systems give out for port 0 and to
// callers, so that nobody gets it by chance before the program does.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}
