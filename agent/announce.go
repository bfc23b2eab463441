package agent

import (
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// fieldEvent names, in a line of the log, the event that says the same.
const fieldEvent = "event"

// announce tells of a change of state: in one line of the log, one event and
// one count, so that whoever looks at one of them sees what the others show.
func announce(log hclog.Logger, to *telemetry.Telemetry, level hclog.Level, message string, e telemetry.Event, fields ...any) {
	log.Log(level, message, append(fields, fieldEvent, e.Name())...)
	to.Tell(telemetry.Level(level), message, e) // the levels of both are numbered alike
}

// sink has lines of the log go along to telemetry.
type sink struct{ to *telemetry.Telemetry }

// Accept implements hclog.SinkAdapter. Lines that have an event of their own
// are left out, and so is what telemetry has to complain of: it may be that
// such lines cannot be sent.
func (s *sink) Accept(name string, level hclog.Level, message string, fields ...any) {
	if !s.to.LogsLines(telemetry.Level(level)) || name == loggerOfTelemetry || strings.HasSuffix(name, "."+loggerOfTelemetry) {
		return
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == fieldEvent {
			return
		}
	}
	s.to.Log(telemetry.Line{Logger: name, Level: telemetry.Level(level), Message: message, Fields: fields})
}

const loggerOfTelemetry = "telemetry"

// attachSink has the agent's log go along to telemetry, where that wants lines
// and the logger can have sinks, until the returned function is called.
func attachSink(log hclog.Logger, to *telemetry.Telemetry) (detach func()) {
	l, ok := log.(hclog.InterceptLogger)
	if !ok || !to.LogsLines(telemetry.LevelError) {
		return func() {}
	}
	s := &sink{to}
	l.RegisterSink(s)
	return func() { l.DeregisterSink(s) }
}
