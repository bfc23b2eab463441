package agent

import (
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// hold is a service all of whose instances were deregistered, though the
// agent's own probes find some of them up: an agent of Consul that leaves takes
// along what still runs.
type hold struct {
	before discovery.Snapshot // of those that probes find up
	empty  discovery.Snapshot // what Consul says
	until  time.Time
}

// snapshot is what is in force meanwhile.
func (h *hold) snapshot(f *follower) discovery.Snapshot {
	reason := fmt.Sprintf("all were deregistered; those that probes find up are held for %v", f.lookup.service.OnEmptyHold)
	return discovery.Quarantine(h.before, h.empty, reason)
}

// reviewEvery is how often the probes of what is held are looked at.
const reviewEvery = time.Second

// holds takes an answer that says a service was emptied, if backends of it are
// to be held, or are already.
func (f *follower) holds(s discovery.Snapshot) bool {
	switch {
	case len(s.Instances) > 0:
		f.release("there are instances again; none is held any more", len(s.Instances))
		return false
	case f.held != nil:
		f.held.empty = s
		return true
	case s.Doubt != "" || f.lookup.service.OnEmpty != "hold":
		return false
	}
	h := &hold{before: f.believed, empty: s, until: time.Now().Add(f.lookup.service.OnEmptyHold)}
	if h.before.Instances = f.provenUp(h.before.Instances); len(h.before.Instances) == 0 {
		return false
	}
	f.held = h
	held := len(h.before.Instances)
	announce(f.log, f.tell, hclog.Warn, "all instances were deregistered; those that probes find up are held for a while",
		telemetry.HoldChanged{Upstream: f.name, On: true, Backends: held},
		"service", f.lookup.service.Name, "held", held, "for", f.lookup.service.OnEmptyHold)
	f.put(h.snapshot(f))
	f.review.Reset(min(reviewEvery, time.Until(h.until)))
	return true
}

// reviewHold lets go of backends that are no longer up, and in the end of all.
func (f *follower) reviewHold() {
	h := f.held
	if h == nil {
		return
	}
	left := f.provenUp(h.before.Instances)
	if len(left) == 0 || !time.Now().Before(h.until) {
		f.release("let go of the instances that were deregistered", len(left))
		f.believed = h.empty
		f.put(h.empty)
		f.keep(h.empty, true)
		return
	}
	if len(left) < len(h.before.Instances) {
		h.before.Instances = left
		f.put(h.snapshot(f))
	}
	f.review.Reset(min(reviewEvery, time.Until(h.until)))
}

// release ends a hold, if there is one, of which so many backends are up still.
func (f *follower) release(message string, up int) {
	if f.held == nil {
		return
	}
	f.held = nil
	announce(f.log, f.tell, hclog.Info, message, telemetry.HoldChanged{Upstream: f.name, Backends: up}, "still_up", up)
}

// provenUp is those of instances that the agent's own probes find up.
func (f *follower) provenUp(instances []discovery.Instance) (up []discovery.Instance) {
	for _, i := range instances {
		if s, ok := f.balancer.ServerStats(i.ID); ok && s.Probe.Status == health.ProbeUp {
			up = append(up, i)
		}
	}
	return up
}
