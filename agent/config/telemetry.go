package config

import (
	"slices"
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
		},
	}
}

func (t *Traces) spec() spec {
	s := t.Exporter.spec(nil, "otlp", "stdout", "none")
	s.fields = append(s.fields,
		bind("sample_ratio", &t.SampleRatio, 1, parseNumber, between(0.0, 1.0)),
		boolean("trust_incoming", &t.TrustIncoming, true),
	)
	return s
}

func (m *Metrics) spec() spec {
	s := m.Exporter.spec([]string{"prometheus"}, "prometheus", "otlp", "stdout", "none")
	s.fields = append(s.fields,
		duration("interval", &m.Interval, time.Minute, atLeast(10*time.Millisecond)),
	)
	return s
}

func (l *Logs) spec() spec {
	return spec{fields: []field{
		list("exporters", &l.Exporters, nil, parseText, oneOf("none")),
	}}
}

func (e *Exporter) spec(byDefault []string, kinds ...string) spec {
	return spec{
		fields: []field{
			list("exporters", &e.Exporters, byDefault, parseText, oneOf(kinds...)),
			text("protocol", &e.Protocol, "grpc", oneOf("grpc", "http/protobuf")),
			text("endpoint", &e.Endpoint, "", orEmpty(webURL)),
		},
		done: func(b *block) {
			distinct := slices.Compact(slices.Sorted(slices.Values(e.Exporters)))
			switch {
			case len(distinct) < len(e.Exporters):
				b.reject("exporters", "exporters names one twice", "name each once")
			case slices.Contains(distinct, "none") && len(distinct) > 1:
				b.reject("exporters", "exporters has none beside others", `write ["none"] or remove it`)
			}
		},
	}
}
