package telemetry

import (
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Config is what the agent's configuration says. The OTEL_* variables of the
// environment come before it. The zero value exports neither traces nor logs,
// and metrics to Prometheus.
type Config struct {
	App               string // outrigger.app.name; "" leaves it out
	Datacenter        string // of Consul, consul.datacenter; "" leaves it out
	Version, Revision string // of this build
	Traces            Traces
	Metrics           Metrics
	Logs              Logs
	ShutdownTimeout   time.Duration // 0: 5 s
	// OnError hears what went wrong with telemetry: once a minute for the same
	// text. It is called from several goroutines and must not block; nil drops
	// it.
	OnError func(error)
}

// Exporter says where a signal goes.
type Exporter struct {
	Exporters []string // of "otlp", "stdout", "prometheus" (metrics alone), or "none"; empty is the signal's default
	Protocol  string   // of otlp: "grpc" or "http/protobuf"; "" is grpc
	Endpoint  string   // of otlp: http:// or https:// and a host; "" is the protocol's port on localhost

	// Of otlp too.
	Compression string            // "none" or "gzip"; "" is none
	Headers     map[string]string // that go with every export
	Timeout     time.Duration     // of one export; 0: 10 s
	TLS         TLS               // not with an http:// endpoint
}

// Traces says what becomes of spans. Without exporters there are none, and
// trace headers pass as they are.
type Traces struct {
	Exporter
	SampleRatio   float64 // share of the traces begun here that is recorded, 0 to 1; a caller's decision is kept
	TrustIncoming bool    // a caller's span is the parent; else it is linked from a trace of its own
	Mode          string  // "hop", a span for each request and one for each attempt; or "client", those of attempts alone; "" is hop
	TCP           bool    // a TCP connection has a span too, at its end
	SpanName      string  // "semconv", the method; or "upstream", the upstream's name too; "" is semconv
}

// Metrics says what becomes of metrics, by default prometheus.
type Metrics struct {
	Exporter
	Interval    time.Duration // between two pushes of otlp and stdout; 0: a minute
	Temporality string        // of otlp: "cumulative", "delta" or "lowmemory"; "" is cumulative
	// LatencyBuckets are the upper bounds, rising, of the buckets that the
	// durations of requests and of attempts are counted in; nil: those of
	// OpenTelemetry's conventions.
	LatencyBuckets     []time.Duration
	BodySize           bool // the sizes of bodies are measured too
	ConnectionDuration bool // how long connections to backends last is measured
	BackendLimit       int  // backends of one upstream that have series of their own; the others are summed in one. 0: 256
}

// Logs says what becomes of events, and of the agent's own log. Without
// exporters there are none beside that log.
type Logs struct {
	Exporter
	Level Level // the least of the log's lines that go along; events go in any case. The zero value is none
}

// The words of a configuration.
const (
	exporterOTLP       = "otlp"
	exporterStdout     = "stdout"
	exporterPrometheus = "prometheus"
	exporterNone       = "none"

	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"

	compressionNone = "none"
	compressionGzip = "gzip"

	temporalityCumulative = "cumulative"

	modeHop    = "hop"
	modeClient = "client"

	spanNameSemconv  = "semconv"
	spanNameUpstream = "upstream"
)

// exporterNames lists what a signal can be sent to.
func exporterNames(signal string) []string {
	if signal == signalMetrics {
		return []string{exporterOTLP, exporterStdout, exporterNone, exporterPrometheus}
	}
	return []string{exporterOTLP, exporterStdout, exporterNone}
}

func (c Config) validate() error {
	if err := c.Traces.Exporter.validate(signalTraces); err != nil {
		return err
	}
	if err := c.Metrics.Exporter.validate(signalMetrics); err != nil {
		return err
	}
	if err := c.Logs.Exporter.validate(signalLogs); err != nil {
		return err
	}
	if t := c.Metrics.Temporality; t != "" && temporalities[t] == nil {
		return fmt.Errorf("telemetry: metrics: no temporality %q", t)
	}
	if err := checkRatio(c.Traces.SampleRatio); err != nil {
		return fmt.Errorf("telemetry: traces: %w", err)
	}
	if m := c.Traces.Mode; m != "" && m != modeHop && m != modeClient {
		return fmt.Errorf("telemetry: traces: no mode %q", m)
	}
	if n := c.Traces.SpanName; n != "" && n != spanNameSemconv && n != spanNameUpstream {
		return fmt.Errorf("telemetry: traces: no span name %q", n)
	}
	if c.Metrics.Interval < 0 || c.ShutdownTimeout < 0 {
		return fmt.Errorf("telemetry: an interval of %v or a shutdown timeout of %v is negative", c.Metrics.Interval, c.ShutdownTimeout)
	}
	return c.Metrics.validateSeries()
}

func (e Exporter) validate(signal string) error {
	for _, name := range e.Exporters {
		if !slices.Contains(exporterNames(signal), name) {
			return fmt.Errorf("telemetry: %s have no exporter %q", signal, name)
		}
		if name == exporterNone && len(e.Exporters) > 1 {
			return fmt.Errorf("telemetry: %s go to none and elsewhere", signal)
		}
	}
	switch e.Protocol {
	case "", protocolGRPC, protocolHTTP:
	default:
		return fmt.Errorf("telemetry: %s: no protocol %q", signal, e.Protocol)
	}
	switch e.Compression {
	case "", compressionNone, compressionGzip:
	default:
		return fmt.Errorf("telemetry: %s: no compression %q", signal, e.Compression)
	}
	if e.Timeout < 0 {
		return fmt.Errorf("telemetry: %s: a timeout of %v is negative", signal, e.Timeout)
	}
	if e.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(e.Endpoint)
	if err != nil {
		return fmt.Errorf("telemetry: %s: endpoint: %w", signal, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("telemetry: %s: endpoint %q is no http:// or https:// URL with a host", signal, e.Endpoint)
	}
	if u.Scheme == "http" && e.TLS != (TLS{}) {
		return fmt.Errorf("telemetry: %s: TLS with the endpoint %s, which is without", signal, u.Redacted())
	}
	return nil
}
