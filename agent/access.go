package agent

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/accesslog"
	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// accessLogEnd is how long the last lines may take to be written.
const accessLogEnd = time.Second

// access is the access log, in place of which a reload may put another. The
// zero value is off.
type access struct {
	log     hclog.Logger
	current atomic.Pointer[accesslog.Log] // nil: off
	closing sync.WaitGroup                // those before it

	mu     sync.Mutex
	ending []*accesslog.Log // that are being closed
	ended  accesslog.Stats  // of all that are closed
	used   bool             // there ever was one
}

// open opens a log as c wants it, without putting it in force; nil where it
// wants none.
func (a *access) open(c config.AccessLog) (*accesslog.Log, error) {
	if c.Format == accesslog.Off {
		return nil, nil
	}
	format, err := accesslog.Parse(c.Format, c.RequestHeaders, c.ResponseHeaders)
	if err != nil {
		return nil, err
	}
	filter := accesslog.Filter{Sample: c.Sample, MinDuration: c.MinDuration, Retried: c.Retried, Failed: c.Failed}
	for _, s := range c.Status {
		filter.Statuses = append(filter.Statuses, accesslog.Statuses(s))
	}
	return accesslog.Open(accesslog.Config{
		Format: format, Filter: filter, Output: c.Output, Buffer: c.Buffer,
		Error: func(err error) { a.log.Error("lines may be lost", "error", err) },
	})
}

// put puts a log in force, nil for none, and closes the one before.
func (a *access) put(l *accesslog.Log) {
	a.mu.Lock()
	before := a.current.Swap(l)
	a.used = a.used || l != nil
	if before != nil {
		a.ending = append(a.ending, before)
	}
	a.mu.Unlock()
	if before != nil {
		a.closing.Go(func() { a.close(before) })
	}
}

// record writes a line into the log that is in force now, if there is one. That
// may be closed just then, and another in its place.
func (a *access) record(line func(*accesslog.Log) *accesslog.Entry) {
	for log := a.current.Load(); log != nil && !log.Record(line(log)); log = a.current.Load() {
	}
}

// close writes what waits.
func (a *access) close(l *accesslog.Log) {
	ctx, cancel := context.WithTimeout(context.Background(), accessLogEnd)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		a.log.Warn("the end of the access log is lost", "error", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = add(a.ended, l.Stats())
	a.ending = slices.DeleteFunc(a.ending, func(other *accesslog.Log) bool { return other == l })
}

// stop ends logging, and returns when what was logged is written.
func (a *access) stop() {
	a.put(nil)
	a.closing.Wait()
}

// lines counts those of all logs there were; nil where there never was one.
func (a *access) lines() *telemetry.AccessLog {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.used {
		return nil
	}
	sum := add(a.ended, a.current.Load().Stats())
	for _, l := range a.ending {
		sum = add(sum, l.Stats())
	}
	lines := telemetry.AccessLog(sum)
	return &lines
}

func add(a, b accesslog.Stats) accesslog.Stats {
	return accesslog.Stats{Written: a.Written + b.Written, Dropped: a.Dropped + b.Dropped, Failed: a.Failed + b.Failed}
}

// Reopen opens files that are logged to again, as after a rotation.
func (a *Agent) Reopen() {
	if err := a.access.current.Load().Reopen(); err != nil {
		a.log.Error("the access log goes on in the file that it had", "error", err)
	}
}
