package agent

import (
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// connect makes what watches Consul, if any upstream wants that.
func (a *Agent) connect(c config.Config) (*consul.Client, *discovery.Hub[consul.Query], error) {
	if !slices.ContainsFunc(c.Upstreams, func(u config.Upstream) bool { return u.Consul != nil }) {
		return nil, nil, nil
	}
	settings := consulConfig(c.Consul)
	settings.Reloaded = a.rotated
	client, err := consul.New(settings)
	if err != nil {
		return nil, nil, err
	}
	hub := discovery.NewHub(func(q consul.Query) *discovery.Watcher {
		logger := a.log.With("service", placeOf(q))
		return &discovery.Watcher{
			Source: client.Source(q), Wait: client.Wait(), Start: c.Consul.StartJitter,
			Turned: func(s discovery.Status) {
				if s.Err == nil {
					a.registrar.look() // a Consul that was away may have forgotten
				}
				turned(logger, a.telemetry, placeOf(q), s)
			},
		}
	})
	hub.Cap = consul.Watches
	hub.Crowded = func(watches, limit int) {
		a.log.Warn("many watches wait at Consul; beyond the limit services are asked for now and then", "watches", watches, "limit", limit)
	}
	return client, hub, nil
}

// rotated logs that files of the token or of TLS have changed.
func (a *Agent) rotated(what string, err error) {
	if err != nil {
		a.log.Warn("files for Consul have changed, and cannot be used; those before stay in force", "files", what, "error", err)
		return
	}
	a.log.Info("files for Consul have changed, and are in force", "files", what)
}

// turned tells how a watch is doing when that changes.
func turned(logger hclog.Logger, to *telemetry.Telemetry, service string, s discovery.Status) {
	e := telemetry.WatchChanged{Service: service, State: telemetry.WatchAnswers, Index: s.Index}
	level, message, fields := hclog.Info, "Consul answers again", []any{"index", s.Index}
	switch {
	case s.Err != nil:
		e.State, e.Class, e.Err = telemetry.WatchFails, s.Class, s.Err
		level, message = hclog.Warn, "no answer from Consul; what it said last stays in force"
		fields = []any{"kind", s.Class, "error", s.Err, "next_try_within", s.Pause.Round(time.Millisecond)}
	case s.Suspicion != nil:
		e.State, e.Reason, e.Missing = telemetry.WatchDoubted, s.Suspicion.Reason, s.Suspicion.Missing
		level, message = hclog.Warn, "Consul's answer is not believed before it is confirmed; nothing is removed"
		fields = []any{"reason", s.Suspicion.Reason, "missing", s.Suspicion.Missing}
	case s.Ended != "":
		e.State, message = telemetry.WatchState(s.Ended), "the suspicion is over"
		fields = []any{"outcome", s.Ended, "index", s.Index}
	case s.Fell:
		e.State, level, message = telemetry.WatchReset, hclog.Warn, "Consul answers, and counts its index anew"
	case s.Hidden:
		e.State, level, fields = telemetry.WatchHidden, hclog.Warn, nil
		message = "Consul hides instances for want of permission: the token needs service:read, and node:read on their nodes"
	case s.Answers == 1:
		message = "Consul answers"
	}
	announce(logger, to, level, message, e, fields...)
}

// subscribe has an upstream follow what its configuration says. The caller
// holds a.mu.
func (a *Agent) subscribe(u *upstream) {
	u.lookup = nil
	if u.config.Consul != nil {
		u.lookup = &lookup{service: *u.config.Consul, client: a.consul, hub: a.hub}
	}
	u.tellRun(u.lookup)
}
