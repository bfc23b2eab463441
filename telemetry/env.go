package telemetry

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// destination is where a signal goes, after environment, configuration and
// defaults were heard in this order.
type destination struct {
	exporters []string // without none
	protocol  string
	// endpoint is the URL to give the exporter, complete with its path; ""
	// where it must be left to the environment, since an exporter's options
	// override its variables.
	endpoint string
}

// variable is one of the environment's; empty and unset are the same.
func variable(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// otlpVariable is a setting of OTLP, for the signal or for all.
func otlpVariable(signal, name string) string {
	if v := variable("OTEL_EXPORTER_OTLP_" + strings.ToUpper(signal) + "_" + name); v != "" {
		return v
	}
	return variable("OTEL_EXPORTER_OTLP_" + name)
}

// sdkDisabled tells that telemetry is switched off as a whole.
func sdkDisabled() bool { return strings.EqualFold(variable("OTEL_SDK_DISABLED"), "true") }

// destinationOf decides where a signal goes. What the environment says that
// cannot be is reported and passed over, as OpenTelemetry's specification asks.
func destinationOf(signal string, c Exporter, report func(error)) destination {
	d := destination{
		exporters: exportersOf(signal, c.Exporters, report),
		protocol:  protocolOf(signal, c.Protocol, report),
	}
	d.endpoint = endpointOf(signal, d.protocol, c.Endpoint)
	return d
}

func exportersOf(signal string, configured []string, report func(error)) []string {
	chosen := exportersInEnv(signal, report)
	if chosen == nil {
		chosen = configured
		if len(chosen) == 0 && signal == signalMetrics {
			chosen = []string{exporterPrometheus}
		}
		// Who names an endpoint wants something sent there. Prometheus stays:
		// it is the default, and hinders nobody.
		byDefault := len(chosen) == 0 || len(chosen) == 1 && chosen[0] == exporterPrometheus
		if byDefault && otlpVariable(signal, "ENDPOINT") != "" {
			chosen = append(chosen[:len(chosen):len(chosen)], exporterOTLP)
		}
	}
	var distinct []string
	for _, name := range chosen {
		if name != exporterNone && !slices.Contains(distinct, name) {
			distinct = append(distinct, name)
		}
	}
	return distinct
}

// exportersInEnv reads OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER: a list,
// nil when there is none or nothing good in it.
func exportersInEnv(signal string, report func(error)) (names []string) {
	key := "OTEL_" + strings.ToUpper(signal) + "_EXPORTER"
	for name := range strings.SplitSeq(variable(key), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "console" {
			name = exporterStdout // as the environment calls it
		}
		switch {
		case slices.Contains(exporterNames(signal), name):
			names = append(names, name)
		case name != "":
			report(fmt.Errorf("telemetry: %s: there is no exporter %q; passed over", key, name))
		}
	}
	return names
}

func protocolOf(signal, configured string, report func(error)) string {
	switch p := otlpVariable(signal, "PROTOCOL"); p {
	case protocolGRPC, protocolHTTP:
		return p
	case "http/json":
		return protocolHTTP // the exporter of traces looks for itself and sends JSON; that of metrics has none
	case "":
	default:
		report(fmt.Errorf("telemetry: OTEL_EXPORTER_OTLP_PROTOCOL: there is no protocol %q; passed over", p))
	}
	if u, err := url.Parse(otlpVariable(signal, "ENDPOINT")); err == nil && u.Port() == "4318" {
		return protocolHTTP // the port registered for it, whatever the default here is
	}
	if configured != "" {
		return configured
	}
	return protocolGRPC
}

// endpointOf is the endpoint of the configuration, or that of the
// specification in the clear, for the exporters' own default is by TLS.
func endpointOf(signal, protocol, configured string) string {
	if otlpVariable(signal, "ENDPOINT") != "" {
		return ""
	}
	if configured == "" {
		for _, name := range []string{"INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE"} {
			if otlpVariable(signal, name) != "" {
				return "" // it says how the default is spoken to
			}
		}
		configured = "http://localhost:4317"
		if protocol == protocolHTTP {
			configured = "http://localhost:4318"
		}
	}
	if protocol != protocolHTTP {
		return configured
	}
	path := "/v1/" + signal
	u, err := url.Parse(configured) // validated before
	if err != nil || strings.HasSuffix(u.Path, path) {
		return configured
	}
	return u.JoinPath(path).String()
}

// intervalOf is the time between two pushes to give a reader, 0 where it must
// be left to the environment.
func intervalOf(configured time.Duration) time.Duration {
	if ms, err := strconv.ParseInt(variable("OTEL_METRIC_EXPORT_INTERVAL"), 10, 64); err == nil && ms > 0 {
		return 0
	}
	if configured == 0 {
		return time.Minute
	}
	return configured
}
