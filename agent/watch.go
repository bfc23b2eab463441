package agent

import (
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
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
				turned(logger, s)
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

// turned logs how a watch is doing when that changes.
func turned(logger hclog.Logger, s discovery.Status) {
	switch {
	case s.Err == nil && s.Suspicion != nil:
		logger.Warn("Consul's answer is not believed before it is confirmed; nothing is removed",
			"reason", s.Suspicion.Reason, "missing", s.Suspicion.Missing)
	case s.Err == nil && s.Ended != "":
		logger.Info("the suspicion is over", "outcome", s.Ended, "index", s.Index)
	case s.Err == nil && s.Fell:
		logger.Warn("Consul answers, and counts its index anew", "index", s.Index)
	case s.Err == nil && s.Hidden:
		logger.Warn("Consul hides instances for want of permission: the token needs service:read, and node:read on their nodes")
	case s.Err == nil && s.Answers == 1:
		logger.Info("Consul answers", "index", s.Index)
	case s.Err == nil:
		logger.Info("Consul answers again", "index", s.Index)
	default:
		logger.Warn("no answer from Consul; what it said last stays in force",
			"kind", s.Class, "error", s.Err, "next_try_within", s.Pause.Round(time.Millisecond))
	}
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
