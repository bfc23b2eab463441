package telemetry

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// destination is where a signal goes, after environment, configuration and
// defaults were heard in this order. Of otlp it has only what is to be given to
// the exporter: its options override its variables, so that where one of these
// speaks the field is zero.
type destination struct {
	exporters []string // without none
	protocol  string
	endpoint  string // a URL, complete with its path
	gzip      bool
	headers   map[string]string
	timeout   time.Duration
	tls       *tls.Config
}

// variable is one of the environment's; empty and unset are the same.
func variable(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// number is the first of the variables that is set, if it is a whole number.
func number(byDefault int, names ...string) int {
	for _, name := range names {
		if v := variable(name); v != "" {
			if n, err := strconv.Atoi(v); err == nil {
				return n
			}
			break
		}
	}
	return byDefault
}

// otlpVariable is a setting of OTLP, for the signal or for all, and which
// variable has it.
func otlpVariable(signal, name string) (value, variableName string) {
	for _, variableName := range []string{"OTEL_EXPORTER_OTLP_" + strings.ToUpper(signal) + "_" + name, "OTEL_EXPORTER_OTLP_" + name} {
		if v := variable(variableName); v != "" {
			return v, variableName
		}
	}
	return "", ""
}

// inEnv tells that the environment speaks of a setting of OTLP.
func inEnv(signal, name string) bool {
	v, _ := otlpVariable(signal, name)
	return v != ""
}

// sdkDisabled tells that telemetry is switched off as a whole.
func sdkDisabled() bool { return strings.EqualFold(variable("OTEL_SDK_DISABLED"), "true") }

// destinationOf decides where a signal goes. The error is of files that cannot
// be read.
func (c *choices) destinationOf(signal string, e Exporter) (d destination, err error) {
	d.exporters = c.exportersOf(signal, e.Exporters)
	protocol := c.protocolOf(signal, e.Protocol)
	d.protocol = protocol.Value
	d.endpoint = endpointOf(signal, d.protocol, e)
	if !slices.Contains(d.exporters, exporterOTLP) {
		return d, nil
	}
	c.made = append(c.made, protocol)
	c.otlp(signal, &d, e)
	d.tls, err = c.tlsOf(signal, e)
	return d, err
}

func (c *choices) exportersOf(signal string, configured []string) []string {
	name, variableName := signal+".exporters", "OTEL_"+strings.ToUpper(signal)+"_EXPORTER"
	chosen, origin := c.exportersInEnv(signal, variableName), OriginEnv
	if chosen == nil {
		chosen, origin, variableName = configured, OriginFile, ""
		byDefault := len(chosen) == 0
		if byDefault && signal == signalMetrics {
			chosen = []string{exporterPrometheus}
		}
		byDefault = byDefault || signal == signalMetrics && len(chosen) == 1 && chosen[0] == exporterPrometheus
		if byDefault {
			origin = OriginDefault
		}
		// Who names an endpoint wants something sent there. Prometheus stays:
		// it is the default, and hinders nobody.
		if endpoint, which := otlpVariable(signal, "ENDPOINT"); byDefault && endpoint != "" {
			chosen = append(chosen[:len(chosen):len(chosen)], exporterOTLP)
			origin, variableName = OriginEnv, which
		}
	}
	var distinct []string
	for _, name := range chosen {
		if name != exporterNone && !slices.Contains(distinct, name) {
			distinct = append(distinct, name)
		}
	}
	c.note(name, orNone(strings.Join(distinct, ", ")), origin, variableName)
	return distinct
}

func orNone(list string) string {
	if list == "" {
		return exporterNone
	}
	return list
}

// exportersInEnv reads OTEL_TRACES_EXPORTER and its like: a list, nil when
// there is none or nothing good in it.
func (c *choices) exportersInEnv(signal, key string) (names []string) {
	for name := range strings.SplitSeq(variable(key), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "console" {
			name = exporterStdout // as the environment calls it
		}
		switch {
		case slices.Contains(exporterNames(signal), name):
			names = append(names, name)
		case name != "":
			c.report(fmt.Errorf("telemetry: %s: there is no exporter %q; passed over", key, name))
		}
	}
	return names
}

func (c *choices) protocolOf(signal, configured string) Setting {
	s := Setting{Name: signal + ".protocol", Value: protocolGRPC, Origin: OriginDefault}
	fromEnv := func(protocol, variableName string) Setting {
		return Setting{Name: s.Name, Value: protocol, Origin: OriginEnv, Variable: variableName}
	}
	switch p, name := otlpVariable(signal, "PROTOCOL"); p {
	case protocolGRPC, protocolHTTP:
		return fromEnv(p, name)
	case "http/json":
		return fromEnv(protocolHTTP, name) // the exporter of traces looks for itself and sends JSON; those of metrics and logs have none
	case "":
	default:
		c.report(fmt.Errorf("telemetry: %s: there is no protocol %q; passed over", name, p))
	}
	endpoint, name := otlpVariable(signal, "ENDPOINT")
	if u, err := url.Parse(endpoint); err == nil && u.Port() == "4318" {
		return fromEnv(protocolHTTP, name) // the port registered for it, whatever the default here is
	}
	if configured != "" && configured != protocolGRPC {
		s.Value, s.Origin = configured, OriginFile
	}
	return s
}

// endpointOf is the endpoint of the configuration, or that of the
// specification, in the clear where nothing speaks of TLS, for the exporters'
// own default is by TLS. It is "" where the environment has it.
func endpointOf(signal, protocol string, e Exporter) string {
	if inEnv(signal, "ENDPOINT") {
		return ""
	}
	configured := e.Endpoint
	if configured == "" {
		for _, name := range []string{"INSECURE", "CERTIFICATE", "CLIENT_CERTIFICATE"} {
			if inEnv(signal, name) {
				return "" // it says how the default is spoken to
			}
		}
		configured = "http://localhost:4317"
		if protocol == protocolHTTP {
			configured = "http://localhost:4318"
		}
		if e.TLS != (TLS{}) {
			configured = "https" + strings.TrimPrefix(configured, "http")
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
func (c *choices) intervalOf(configured time.Duration) time.Duration {
	const name = "OTEL_METRIC_EXPORT_INTERVAL"
	if ms, err := strconv.ParseInt(variable(name), 10, 64); err == nil && ms > 0 {
		c.note("metrics.interval", (time.Duration(ms) * time.Millisecond).String(), OriginEnv, name)
		return 0
	}
	if configured == 0 {
		configured = time.Minute
	}
	c.file("metrics.interval", configured.String(), time.Minute.String())
	return configured
}
