package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (t *Telemetry) spec() spec {
	return spec{
		fields: []field{
			duration("shutdown_timeout", &t.ShutdownTimeout, 5*time.Second, atLeast(time.Millisecond)),
		},
		blocks: []child{
			one("traces", t.Traces.spec),
			one("metrics", t.Metrics.spec),
			one("logs", t.Logs.spec),
			one("access_log", t.AccessLog.spec),
		},
	}
}

func (t *Traces) spec() spec {
	s := t.Exporter.spec(nil, "otlp", "stdout", "none")
	s.fields = append(s.fields,
		bind("sample_ratio", &t.SampleRatio, 1, parseNumber, between(0.0, 1.0)),
		boolean("trust_incoming", &t.TrustIncoming, true),
		boolean("tcp", &t.TCP, false),
		text("mode", &t.Mode, "hop", oneOf("hop", "client")),
		text("span_name", &t.SpanName, "semconv", oneOf("semconv", "upstream")),
	)
	return s
}

func (m *Metrics) spec() spec {
	s := m.Exporter.spec([]string{"prometheus"}, "prometheus", "otlp", "stdout", "none")
	s.fields = append(s.fields,
		text("temporality", &m.Temporality, "cumulative", oneOf("cumulative", "delta", "lowmemory")),
		duration("interval", &m.Interval, time.Minute, atLeast(10*time.Millisecond)),
		list("latency_buckets", &m.LatencyBuckets, nil, parseDuration, atLeast(time.Microsecond)),
		boolean("body_size", &m.BodySize, false),
		boolean("connection_duration", &m.ConnectionDuration, false),
		whole("backend_limit", &m.BackendLimit, 256, 1, 10000),
	)
	first := s.done
	s.done = func(b *block) {
		first(b)
		if b.sound("latency_buckets") {
			m.rising(b)
		}
	}
	return s
}

// maxBuckets bounds those of one histogram, of which each series has as many.
const maxBuckets = 50

func (m *Metrics) rising(b *block) {
	if len(m.LatencyBuckets) > maxBuckets {
		b.reject("latency_buckets", "latency_buckets are too many", fmt.Sprintf("write %d or fewer: each series has as many", maxBuckets))
	}
	for i := 1; i < len(m.LatencyBuckets); i++ {
		if m.LatencyBuckets[i] <= m.LatencyBuckets[i-1] {
			b.reject("latency_buckets", "latency_buckets do not rise", "write each bound once, the lowest first")
			return
		}
	}
}

func (l *Logs) spec() spec {
	s := l.Exporter.spec(nil, "otlp", "stdout", "none")
	s.fields = append(s.fields,
		text("level", &l.Level, "off", oneOf("off", "trace", "debug", "info", "warn", "error")),
	)
	return s
}

func (e *Exporter) spec(byDefault []string, kinds ...string) spec {
	return spec{
		fields: []field{
			list("exporters", &e.Exporters, byDefault, parseText, oneOf(kinds...)),
			text("protocol", &e.Protocol, "grpc", oneOf("grpc", "http/protobuf")),
			text("endpoint", &e.Endpoint, "", orEmpty(webURL)),
			text("compression", &e.Compression, "none", oneOf("none", "gzip")),
			bind("headers", &e.Headers, nil, parseTexts, headers),
			duration("timeout", &e.Timeout, 10*time.Second, atLeast(time.Millisecond)),
		},
		blocks: []child{one("tls", e.TLS.spec)},
		done: func(b *block) {
			distinct := slices.Compact(slices.Sorted(slices.Values(e.Exporters)))
			switch {
			case len(distinct) < len(e.Exporters):
				b.reject("exporters", "exporters names one twice", "name each once")
			case slices.Contains(distinct, "none") && len(distinct) > 1:
				b.reject("exporters", "exporters has none beside others", `write ["none"] or remove it`)
			}
			if e.TLS != (TLS{}) && strings.HasPrefix(e.Endpoint, "http://") && b.sound("endpoint") {
				b.reject("endpoint", "endpoint is without TLS, and a tls block is there", "write https:// or remove the block")
			}
		},
	}
}
