package telemetry

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one of the things that telemetry goes by, and who said so.
type Setting struct {
	Name     string // as in the configuration's telemetry block, such as "traces.endpoint", where it is there
	Value    string // of headers only the names, and no password in a URL
	Origin   string // OriginEnv, OriginFile or OriginDefault
	Variable string // of the environment, for OriginEnv
}

// Where a setting may come from, in order of precedence.
const (
	OriginEnv     = "env"
	OriginFile    = "file"
	OriginDefault = "default"
)

// choices settles what telemetry goes by, one setting after the other, and
// keeps who said so. What the environment says that cannot be is reported and
// passed over, as OpenTelemetry's specification asks.
type choices struct {
	made   []Setting
	report func(error)
}

func (c *choices) note(name, value, origin, variable string) {
	c.made = append(c.made, Setting{Name: name, Value: value, Origin: origin, Variable: variable})
}

// file notes what no variable decides: the value, and whether it is another
// than the default.
func (c *choices) file(name, value, byDefault string) {
	origin := OriginFile
	if value == byDefault {
		origin = OriginDefault
	}
	c.note(name, value, origin, "")
}

// env notes what only a variable decides, and returns it; the default stands
// for what is unset or cannot be.
func (c *choices) env(name, variableName, byDefault string, can func(string) bool) string {
	if v := variable(variableName); v != "" && can(v) {
		c.note(name, v, OriginEnv, variableName)
		return v
	}
	c.note(name, byDefault, OriginDefault, "")
	return byDefault
}

// count is env for a number of 1 or more.
func (c *choices) count(name, variableName string, byDefault int) int {
	positive := func(s string) bool { n, err := strconv.Atoi(s); return err == nil && n > 0 }
	n, _ := strconv.Atoi(c.env(name, variableName, strconv.Itoa(byDefault), positive)) // positive has made sure
	return n
}

// duration is env for a time in milliseconds.
func (c *choices) duration(name, variableName string, byDefault time.Duration) time.Duration {
	if ms, err := strconv.ParseInt(variable(variableName), 10, 64); err == nil && ms > 0 {
		d := time.Duration(ms) * time.Millisecond
		c.note(name, d.String(), OriginEnv, variableName)
		return d
	}
	c.note(name, byDefault.String(), OriginDefault, "")
	return byDefault
}

func anything(string) bool { return true }

// shownURL is a URL without its password.
func shownURL(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return s
}

// shownHeaders are the names of headers: their values are mostly keys.
func shownHeaders(h map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(h)), ", ")
}

// shownPairs are the names in a list of pairs as variables have it: a=1,b=2.
func shownPairs(list string) string {
	names := make(map[string]string)
	for pair := range strings.SplitSeq(list, ",") {
		if name, _, ok := strings.Cut(pair, "="); ok {
			names[strings.TrimSpace(name)] = ""
		}
	}
	return shownHeaders(names)
}

// disabled settles whether there is any telemetry at all.
func (c *choices) disabled() bool {
	const name = "OTEL_SDK_DISABLED"
	if !sdkDisabled() {
		c.note("disabled", "false", OriginDefault, "")
		return false
	}
	c.note("disabled", "true", OriginEnv, name)
	return true
}

// resource notes by what name the agent is known.
func (c *choices) resource(config Config) {
	c.env("service.name", "OTEL_SERVICE_NAME", serviceName, anything)
	c.file("app", config.App, "")
	if v := variable("OTEL_RESOURCE_ATTRIBUTES"); v != "" {
		c.note("resource", shownPairs(v), OriginEnv, "OTEL_RESOURCE_ATTRIBUTES")
	}
}

// traces settles what spans go by but where they go, and returns how they are
// gathered.
func (c *choices) traces(config Traces, d destination) (b batching) {
	if len(d.exporters) == 0 {
		return b
	}
	ratio := strconv.FormatFloat(config.SampleRatio, 'g', -1, 64)
	if v := variable("OTEL_TRACES_SAMPLER"); v != "" {
		c.note("traces.sampler", strings.TrimSpace(v+" "+variable("OTEL_TRACES_SAMPLER_ARG")), OriginEnv, "OTEL_TRACES_SAMPLER")
	} else {
		c.file("traces.sample_ratio", ratio, "1")
	}
	c.file("traces.trust_incoming", strconv.FormatBool(config.TrustIncoming), "true")
	c.file("traces.tcp", strconv.FormatBool(config.TCP), "false")
	c.file("traces.mode", cmp.Or(config.Mode, modeHop), modeHop)
	c.file("traces.span_name", cmp.Or(config.SpanName, spanNameSemconv), spanNameSemconv)
	c.env("traces.propagators", "OTEL_PROPAGATORS", "tracecontext", anything)
	b.queue = c.count("traces.queue", "OTEL_BSP_MAX_QUEUE_SIZE", defaultSpanQueue)
	b.batch = min(b.queue, c.count("traces.batch", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(b.queue, defaultSpanBatch)))
	b.delay = c.duration("traces.delay", "OTEL_BSP_SCHEDULE_DELAY", 5*time.Second)
	b.timeout = c.duration("traces.export_timeout", "OTEL_BSP_EXPORT_TIMEOUT", 30*time.Second)
	return b
}

// pushing settles how metrics are pushed.
func (c *choices) pushing(config Metrics, d destination) (p pushing) {
	p.interval = c.intervalOf(config.Interval)
	if slices.Contains(d.exporters, exporterOTLP) {
		p.temporality = c.temporalityOf(config.Temporality)
	}
	if len(d.exporters) > 0 {
		c.file("metrics.latency_buckets", shownBuckets(config.LatencyBuckets), "")
		c.file("metrics.body_size", strconv.FormatBool(config.BodySize), "false")
		c.file("metrics.connection_duration", strconv.FormatBool(config.ConnectionDuration), "false")
		c.file("metrics.backend_limit", strconv.Itoa(config.backends()), strconv.Itoa(backendLimit))
	}
	c.env("metrics.exemplars", "OTEL_METRICS_EXEMPLAR_FILTER", "trace_based", anything)
	return p
}

// logs settles what log records go by but where they go, and returns the size
// of their queues.
func (c *choices) logs(config Logs, d destination) (size int) {
	if len(d.exporters) == 0 {
		return defaultQueue
	}
	c.file("logs.level", config.Level.String(), Level(0).String())
	size = c.count("logs.queue", "OTEL_BLRP_MAX_QUEUE_SIZE", defaultQueue)
	c.count("logs.batch", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", min(size, 512))
	return size
}
