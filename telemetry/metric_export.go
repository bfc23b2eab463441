package telemetry

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/credentials"
)

// pushing is how metrics are pushed.
type pushing struct {
	interval    time.Duration // 0 leaves it to the environment
	temporality string        // of otlp; "" likewise
}

// newReaders makes a reader for each exporter, and the handler of scrapes, nil
// without prometheus.
func newReaders(ctx context.Context, d destination, push pushing, e *exports, u *upstreams, stdout io.Writer, complain promhttp.Logger) ([]sdkmetric.Reader, http.Handler, error) {
	var (
		exporters []sdkmetric.Exporter
		readers   []sdkmetric.Reader
		scrape    http.Handler
	)
	for _, name := range d.exporters {
		var err error
		if name == exporterPrometheus {
			var reader sdkmetric.Reader
			if reader, scrape, err = newScrape(u, complain); err == nil {
				readers = append(readers, reader)
			}
		} else {
			var exporter sdkmetric.Exporter
			if exporter, err = newMetricExporter(ctx, name, d, push.temporality, stdout); err == nil {
				exporters = append(exporters, exporter)
			}
		}
		if err != nil {
			for _, made := range exporters {
				err = errors.Join(err, made.Shutdown(ctx))
			}
			return nil, nil, fmt.Errorf("telemetry: metrics to %s: %w", name, err)
		}
	}
	for _, exporter := range exporters {
		const kind = sdkmetric.InstrumentKindHistogram
		if _, explicit := exporter.Aggregation(kind).(sdkmetric.AggregationExplicitBucketHistogram); !explicit {
			u.bySDK = true
		}
		// WithInterval passes over 0, and so leaves the environment's.
		readers = append(readers, sdkmetric.NewPeriodicReader(metricExporter{exporter, e}, sdkmetric.WithInterval(push.interval),
			sdkmetric.WithProducer(u.histograms(exporter.Temporality(kind))), sdkmetric.WithProducer(runtime.NewProducer())))
	}
	return readers, scrape, nil
}

// newMetricExporter makes one exporter. None waits for a connection.
func newMetricExporter(ctx context.Context, name string, d destination, temporality string, stdout io.Writer) (sdkmetric.Exporter, error) {
	switch {
	case name == exporterStdout:
		return stdoutmetric.New(stdoutmetric.WithEncoder(json.NewEncoder(stdout)))
	case d.protocol == protocolHTTP:
		options := otlpOptions[otlpmetrichttp.Option]{
			endpoint: otlpmetrichttp.WithEndpointURL,
			gzip:     otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression),
			headers:  otlpmetrichttp.WithHeaders,
			timeout:  otlpmetrichttp.WithTimeout,
			tls:      otlpmetrichttp.WithTLSClientConfig,
		}.of(d)
		if selector := temporalities[temporality]; selector != nil {
			options = append(options, otlpmetrichttp.WithTemporalitySelector(selector))
		}
		return otlpmetrichttp.New(ctx, options...)
	}
	options := otlpOptions[otlpmetricgrpc.Option]{
		endpoint: otlpmetricgrpc.WithEndpointURL,
		gzip:     otlpmetricgrpc.WithCompressor(compressionGzip),
		headers:  otlpmetricgrpc.WithHeaders,
		timeout:  otlpmetricgrpc.WithTimeout,
		tls: func(c *tls.Config) otlpmetricgrpc.Option {
			return otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(c))
		},
	}.of(d)
	if selector := temporalities[temporality]; selector != nil {
		options = append(options, otlpmetricgrpc.WithTemporalitySelector(selector))
	}
	return otlpmetricgrpc.New(ctx, options...)
}

// temporalities are what OTLP may carry: sums since the start, since the last
// push, or what needs least memory of the two for each kind of instrument.
var temporalities = map[string]sdkmetric.TemporalitySelector{
	temporalityCumulative: sdkmetric.CumulativeTemporalitySelector,
	"delta":               sdkmetric.DeltaTemporalitySelector,
	"lowmemory":           sdkmetric.LowMemoryTemporalitySelector,
}

// temporalityOf is the temporality to give an exporter, "" where it must be
// left to the environment.
func (c *choices) temporalityOf(configured string) string {
	const name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
	if v := strings.ToLower(variable(name)); temporalities[v] != nil {
		c.note("metrics.temporality", v, OriginEnv, name)
		return ""
	}
	if configured == "" {
		configured = temporalityCumulative
	}
	c.file("metrics.temporality", configured, temporalityCumulative)
	return configured
}

// newScrape makes the reader that a Prometheus server asks, with a registry of
// its own.
func newScrape(u *upstreams, complain promhttp.Logger) (sdkmetric.Reader, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithProducer(u.histograms(metricdata.CumulativeTemporality)), otelprometheus.WithProducer(runtime.NewProducer()))
	if err != nil {
		return nil, nil, err
	}
	return reader, promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, // exemplars need it
		ErrorHandling:     promhttp.ContinueOnError,
		ErrorLog:          complain,
	}), nil
}
