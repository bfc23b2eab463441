package agent

import (
	"context"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/accesslog"
	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// accessLogEnd is how long the last lines may take to be written.
const accessLogEnd = time.Second

// openAccessLog opens the access log; nil where there is none.
func (a *Agent) openAccessLog(c config.AccessLog) (*accesslog.Log, error) {
	if c.Format == accesslog.Off {
		return nil, nil
	}
	format, err := accesslog.Parse(c.Format, c.RequestHeaders, c.ResponseHeaders)
	if err != nil {
		return nil, err
	}
	filter := accesslog.Filter{Sample: c.Sample, MinDuration: c.MinDuration, Retried: c.Retried}
	for _, s := range c.Status {
		filter.Statuses = append(filter.Statuses, accesslog.Statuses(s))
	}
	log := a.log.Named("access_log")
	return accesslog.Open(accesslog.Config{
		Format: format, Filter: filter, Output: c.Output, Buffer: c.Buffer,
		Error: func(err error) { log.Error("lines may be lost", "error", err) },
	})
}

// closeAccessLog writes what waits.
func (a *Agent) closeAccessLog() {
	ctx, cancel := context.WithTimeout(context.Background(), accessLogEnd)
	defer cancel()
	if err := a.accessLog.Close(ctx); err != nil {
		a.log.Warn("the end of the access log is lost", "error", err)
	}
}

// Reopen opens files that are logged to again, as after a rotation.
func (a *Agent) Reopen() {
	if err := a.accessLog.Reopen(); err != nil {
		a.log.Error("the access log goes on in the file that it had", "error", err)
	}
}

// accessLogLines counts the lines of the access log; nil where there is none.
func (a *Agent) accessLogLines() *telemetry.AccessLog {
	if a.accessLog == nil {
		return nil
	}
	lines := telemetry.AccessLog(a.accessLog.Stats())
	return &lines
}
