package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// Telemetry is what Setup made. Its methods may be called at any time from any
// goroutine, also after Shutdown, when they do nothing that can be seen.
type Telemetry struct {
	pipeline
	tracing  *tracing // nil: off
	metrics  *meters  // nil: off
	logging  *logging // nil: off
	tally    tally
	settings []Setting
	report   *reporter
	timeout  time.Duration
	stopping sync.Once
	stopped  error
}

// pipeline is what carries telemetry away; nothing in it means off.
type pipeline struct {
	processors []spanProcessor
	readers    []sdkmetric.Reader
	queues     []sdklog.Processor
	scrape     http.Handler // nil: no prometheus
	exports    *exports
	upstreams  *upstreams
}

// Setup starts telemetry as the environment and c say, and reads s (nil: only
// what concerns the agent itself) for metrics. It never waits for a collector,
// and one that cannot be reached is no error; a configuration that cannot be
// meant is. The process's otel.ErrorHandler becomes the one behind c.OnError.
// The caller must call Shutdown.
func Setup(ctx context.Context, c Config, s Source) (*Telemetry, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = shutdownTimeout
	}
	report := &reporter{to: c.OnError}
	chosen := choices{report: report.Handle}
	if chosen.disabled() {
		t, err := assemble(c, s, nil, pipeline{exports: newExports()}, report)
		t.settings = chosen.made
		return t, err
	}
	otel.SetErrorHandler(report)
	report.listen(variable("OTEL_LOG_LEVEL"))
	if variable("OTEL_CONFIG_FILE") != "" {
		report.Handle(errors.New("telemetry: OTEL_CONFIG_FILE is not read here; use the other OTEL_* variables or the agent's configuration"))
	}
	about, err := newResource(ctx, c)
	if err != nil {
		report.Handle(fmt.Errorf("telemetry: resource: %w", err))
	}
	chosen.resource(c)
	p, err := chosen.pipeline(ctx, c, about, report)
	if err != nil {
		p.exports.stop()
		return nil, errors.Join(err, p.flush(ctx, 0))
	}
	chosen.file("shutdown_timeout", c.ShutdownTimeout.String(), shutdownTimeout.String())
	t, err := assemble(c, s, about, p, report)
	if err != nil {
		return nil, err
	}
	t.settings = chosen.made
	return t, nil
}

// pipeline makes what carries each signal away. With an error it has what was
// made until then.
func (c *choices) pipeline(ctx context.Context, config Config, about *resource.Resource, report *reporter) (p pipeline, err error) {
	p.exports, p.upstreams = newExports(), newUpstreams(config.Version, config.Metrics)
	traces, err := c.destinationOf(signalTraces, config.Traces.Exporter)
	if err != nil {
		return p, err
	}
	gather := c.traces(config.Traces, traces)
	metrics, err := c.destinationOf(signalMetrics, config.Metrics.Exporter)
	if err != nil {
		return p, err
	}
	push := c.pushing(config.Metrics, metrics)
	logs, err := c.destinationOf(signalLogs, config.Logs.Exporter)
	if err != nil {
		return p, err
	}
	room := c.logs(config.Logs, logs)
	if p.readers, p.scrape, err = newReaders(ctx, metrics, push, p.exports, p.upstreams, os.Stdout, report); err != nil {
		return p, err
	}
	if p.processors, err = newSpanQueues(ctx, traces, gather, origin{about, config.Version}, p.exports, os.Stdout); err != nil {
		return p, err
	}
	p.queues, err = newLogProcessors(ctx, logs, room, p.exports, os.Stdout)
	return p, err
}

// Settings are what telemetry goes by.
func (t *Telemetry) Settings() []Setting { return slices.Clone(t.settings) }

// assemble puts the instruments and the tracer on p.
func assemble(c Config, s Source, about *resource.Resource, p pipeline, report *reporter) (*Telemetry, error) {
	t := &Telemetry{pipeline: p, report: report, timeout: c.ShutdownTimeout}
	if len(p.readers) > 0 {
		if err := t.measure(c, s, about); err != nil {
			return nil, errors.Join(err, t.Shutdown(context.Background()))
		}
	}
	if len(p.processors) > 0 {
		t.trace(c)
	}
	if len(p.queues) > 0 {
		t.logging = newLogging(c, about, p.queues)
	}
	return t, nil
}

func (t *Telemetry) measure(c Config, s Source, about *resource.Resource) error {
	options := []sdkmetric.Option{sdkmetric.WithResource(about)}
	if variable("OTEL_GO_X_CARDINALITY_LIMIT") == "" {
		// The SDK's 2000 are soon used up by backends, and every instrument
		// here has bounds of its own for each upstream.
		options = append(options, sdkmetric.WithCardinalityLimit(0))
	}
	for _, r := range t.readers {
		options = append(options, sdkmetric.WithReader(r))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	meter := provider.Meter(scope, metric.WithInstrumentationVersion(c.Version), metric.WithSchemaURL(semconv.SchemaURL))
	made, err := newMeters(meter, c.Metrics.instruments())
	if err != nil {
		return err
	}
	all := &collector{source: s, observed: t.upstreams, exports: t.exports, tally: &t.tally, build: buildOf(c), ledger: make(ledger), meters: made, backends: c.Metrics.backends()}
	if _, err := meter.RegisterCallback(all.collect, made.observables()...); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	if err := runtime.Start(runtime.WithMeterProvider(provider)); err != nil {
		return fmt.Errorf("telemetry: metrics of the Go runtime: %w", err)
	}
	t.metrics = &made
	if t.upstreams.bySDK {
		t.upstreams.recordBy(made.histograms)
	}
	return nil
}

func (t *Telemetry) trace(c Config) {
	decide, err := newSampling(c.Traces.SampleRatio)
	if err != nil {
		t.report.Handle(err)
	}
	carry, err := newPropagator(variable("OTEL_PROPAGATORS"))
	if err != nil {
		t.report.Handle(err)
	}
	t.tracing = &tracing{
		sampling: decide, propagator: carry, trust: c.Traces.TrustIncoming, limits: newSpanLimits(), processors: t.processors,
		attemptsOnly: c.Traces.Mode == modeClient, byUpstream: c.Traces.SpanName == spanNameUpstream, visits: c.Traces.TCP,
	}
}

// Choosing tells how an upstream chooses backends, at the moment. It is asked
// while requests wait, and by many goroutines at once.
type Choosing interface {
	// Choice is among what a backend was chosen just now; nil is none yet.
	Choice(*lb.Server) lb.Choice
	// Age is since when nothing has renewed what is known of the backends; 0
	// where they do not come from a catalog.
	Age() time.Duration
}

// Observer follows the requests of one upstream. How it chooses is asked for
// recorded spans alone; nil leaves that out. Observers of the same name, as
// after a reload, count on together.
func (t *Telemetry) Observer(upstream string, c Choosing) proxy.Observer {
	if t.tracing == nil && t.metrics == nil {
		return proxy.Unobserved{}
	}
	o := &observer{upstream: t.upstreams.get(upstream), choosing: c, tracing: t.tracing, metrics: t.metrics != nil}
	if t.tracing != nil {
		o.shared = t.tracing.shared(upstream)
	}
	return o
}

// HealthCheck records a probe of one of an upstream's backends: its kind, such
// as "http", whether it was good, and how long it took.
func (t *Telemetry) HealthCheck(upstream, kind string, good bool, took time.Duration) {
	result := outcomeOK
	if !good {
		result = outcomeFailed
	}
	t.record(healthCheckDuration, took, keyUpstream.String(text(upstream)), labelType.String(kind), labelResult.String(result))
}

// Propagated records how long it took from the catalog's answer until an
// upstream's pool that follows from it was in force.
func (t *Telemetry) Propagated(upstream string, took time.Duration) {
	t.record(discoveryPropagation, took, keyUpstream.String(text(upstream)))
}

// Waits is to be told how long one has waited in an upstream's queue, by any
// goroutine; nil where nobody asks.
func (t *Telemetry) Waits(upstream string) func(time.Duration) {
	if t.metrics == nil {
		return nil
	}
	return t.upstreams.get(upstream).waits.measure
}

// Lives is to be told how long a connection to one of an upstream's backends
// has lasted, by any goroutine; nil where nobody asks.
func (t *Telemetry) Lives(upstream string) func(time.Duration) {
	if t.metrics == nil || t.upstreams.recorded[httpClientConnectionDuration] == nil {
		return nil
	}
	return t.upstreams.get(upstream).lives.measure
}

func (t *Telemetry) record(name string, took time.Duration, attrs ...attribute.KeyValue) {
	if t.metrics != nil {
		t.metrics.histograms[name].Record(context.Background(), took.Seconds(), metric.WithAttributes(attrs...))
	}
}

// Handler answers scrapes, with Prometheus text or OpenMetrics as the client
// asks for; 404 where the prometheus exporter is off.
func (t *Telemetry) Handler() http.Handler {
	if t.scrape != nil {
		return t.scrape
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the prometheus exporter is off (telemetry.metrics.exporters, OTEL_METRICS_EXPORTER or OTEL_SDK_DISABLED)", http.StatusNotFound)
	})
}
