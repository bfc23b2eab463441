package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Level is how much a line of the log matters. The zero value is below all.
type Level int

// The levels there are, those of the agent's log.
const (
	LevelTrace Level = iota + 1
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

// LevelOf reads a level as configuration has it; what is none is 0.
func LevelOf(word string) Level {
	for l := LevelTrace; l <= LevelError; l++ {
		if l.String() == word {
			return l
		}
	}
	return 0
}

// String is the level as configuration has it.
func (l Level) String() string {
	if l < LevelTrace || l > LevelError {
		return "off"
	}
	return [...]string{"trace", "debug", "info", "warn", "error"}[l-LevelTrace]
}

// severity is the level in OpenTelemetry's terms.
func (l Level) severity() log.Severity {
	switch l {
	case LevelTrace:
		return log.SeverityTrace
	case LevelDebug:
		return log.SeverityDebug
	case LevelWarn:
		return log.SeverityWarn
	case LevelError:
		return log.SeverityError
	}
	return log.SeverityInfo
}

// logging makes log records.
type logging struct {
	provider *sdklog.LoggerProvider
	events   log.Logger
	version  string
	level    Level // the least of lines; 0: none
}

func newLogging(c Config, about *resource.Resource, processors []sdklog.Processor) *logging {
	options := []sdklog.LoggerProviderOption{sdklog.WithResource(about)}
	for _, p := range processors {
		options = append(options, sdklog.WithProcessor(p))
	}
	provider := sdklog.NewLoggerProvider(options...)
	return &logging{
		provider: provider,
		events:   provider.Logger(scope, log.WithInstrumentationVersion(c.Version), log.WithSchemaURL(semconv.SchemaURL)),
		version:  c.Version, level: c.Logs.Level,
	}
}

// Line is one line of the agent's own log.
type Line struct {
	Logger  string // its name, which becomes the record's scope
	Level   Level
	Message string
	Fields  []any // names and values by turns
}

// The fields by which a line tells of the request that it is about.
const (
	fieldTrace = "trace_id"
	fieldSpan  = "span_id"
	fieldFlags = "trace_flags"
)

// LogsLines tells whether lines of a level are exported, so that nothing needs
// to be done for those that are not.
func (t *Telemetry) LogsLines(l Level) bool {
	return t.logging != nil && t.logging.level > 0 && l >= t.logging.level
}

// Log exports a line of the log, if its level is. It never blocks.
func (t *Telemetry) Log(l Line) {
	if !t.LogsLines(l.Level) {
		return
	}
	attrs := make([]attribute.KeyValue, 0, len(l.Fields)/2)
	var span trace.SpanContextConfig
	for i := 0; i+1 < len(l.Fields); i += 2 {
		key := fmt.Sprint(l.Fields[i])
		if key == "" || spanField(&span, key, l.Fields[i+1]) {
			continue
		}
		attrs = append(attrs, fieldOf(key, l.Fields[i+1]))
	}
	ctx := context.Background()
	if sc := trace.NewSpanContext(span); sc.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, sc)
	}
	t.logging.emit(ctx, t.logging.provider.Logger(text(l.Logger), log.WithInstrumentationVersion(t.logging.version)), "", l.Level, l.Message, attrs)
}

func (l *logging) emit(ctx context.Context, to log.Logger, event string, level Level, message string, attrs []attribute.KeyValue) {
	now := time.Now()
	var r log.Record
	r.SetEventName(event)
	r.SetTimestamp(now)
	r.SetObservedTimestamp(now)
	r.SetSeverity(level.severity())
	r.SetSeverityText(level.String())
	r.SetBody(attribute.StringValue(text(message)))
	r.AddAttributes(attrs...)
	to.Emit(ctx, r)
}

// spanField takes a part of a span's context from a field that has it.
func spanField(to *trace.SpanContextConfig, key string, value any) bool {
	s, ok := value.(string)
	if !ok {
		return false
	}
	switch key {
	case fieldTrace:
		id, err := trace.TraceIDFromHex(s)
		to.TraceID = id
		return err == nil
	case fieldSpan:
		id, err := trace.SpanIDFromHex(s)
		to.SpanID = id
		return err == nil
	case fieldFlags:
		if s != "00" && s != "01" {
			return false
		}
		to.TraceFlags = trace.TraceFlags(s[1] - '0')
		return true
	}
	return false
}

// fieldOf keeps numbers and truths as what they are; all else becomes text, and
// durations seconds, as everywhere here.
func fieldOf(key string, value any) attribute.KeyValue {
	k := attribute.Key(text(key))
	switch v := value.(type) {
	case string:
		return k.String(text(v))
	case bool:
		return k.Bool(v)
	case int:
		return k.Int(v)
	case int64:
		return k.Int64(v)
	case uint64:
		return k.Int64(int64(min(v, 1<<63-1)))
	case float64:
		return k.Float64(v)
	case time.Duration:
		return k.Float64(v.Seconds())
	}
	return k.String(text(fmt.Sprint(value)))
}
