package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// newReaders makes a reader for each exporter, and the handler of scrapes, nil
// without prometheus.
func newReaders(ctx context.Context, d destination, interval time.Duration, e *exports, u *upstreams, stdout io.Writer, complain promhttp.Logger) ([]sdkmetric.Reader, http.Handler, error) {
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
			if exporter, err = newMetricExporter(ctx, name, d, stdout); err == nil {
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
		readers = append(readers, sdkmetric.NewPeriodicReader(metricExporter{exporter, e}, sdkmetric.WithInterval(interval),
			sdkmetric.WithProducer(u.durations(exporter.Temporality(kind)))))
	}
	return readers, scrape, nil
}

// newMetricExporter makes one exporter. None waits for a connection.
func newMetricExporter(ctx context.Context, name string, d destination, stdout io.Writer) (sdkmetric.Exporter, error) {
	switch {
	case name == exporterStdout:
		return stdoutmetric.New(stdoutmetric.WithEncoder(json.NewEncoder(stdout)))
	case d.protocol == protocolHTTP:
		var options []otlpmetrichttp.Option
		if d.endpoint != "" {
			options = append(options, otlpmetrichttp.WithEndpointURL(d.endpoint))
		}
		return otlpmetrichttp.New(ctx, options...)
	}
	var options []otlpmetricgrpc.Option
	if d.endpoint != "" {
		options = append(options, otlpmetricgrpc.WithEndpointURL(d.endpoint))
	}
	return otlpmetricgrpc.New(ctx, options...)
}

// newScrape makes the reader that a Prometheus server asks, with a registry of
// its own.
func newScrape(u *upstreams, complain promhttp.Logger) (sdkmetric.Reader, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithProducer(u.durations(metricdata.CumulativeTemporality)))
	if err != nil {
		return nil, nil, err
	}
	return reader, promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		EnableOpenMetrics: true, // exemplars need it
		ErrorHandling:     promhttp.ContinueOnError,
		ErrorLog:          complain,
	}), nil
}
