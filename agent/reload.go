package agent

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/accesslog"
	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// Reload goes over to another configuration. Whatever can fail is done first,
// and if it does nothing changes. Upstreams whose configuration is the same
// keep everything; of the others only what differs is touched.
func (a *Agent) Reload(c config.Config) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.change(c)
	a.noteReload(err, "the new configuration cannot be put in force; the one before stays", "error", err)
	return err
}

// ReloadFailed notes that a new configuration could not even be read, of which
// the caller has logged every mistake.
func (a *Agent) ReloadFailed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noteReload(err, "the configuration has mistakes; the one before stays in force")
}

// noteReload tells what came of a reload; the message and the fields are for a
// failure.
func (a *Agent) noteReload(err error, message string, fields ...any) {
	a.reload = &ReloadStatus{At: time.Now()}
	e := telemetry.ConfigReloaded{Upstreams: len(a.upstreams), Err: err}
	if err != nil {
		a.reload.Error = err.Error()
		announce(a.log, a.telemetry, hclog.Error, message, e, fields...)
		return
	}
	announce(a.log, a.telemetry, hclog.Info, "the new configuration is in force", e, "upstreams", len(a.upstreams))
}

// move is what happens to one upstream in a reload.
type move struct {
	upstream *upstream
	to       config.Upstream
	fresh    bool           // the upstream is new
	listener *listener      // to serve on from now on; nil to keep the one it has
	serves   bool           // a new server is needed
	secures  bool           // TLS is another
	tls      *secure.Client // what it is from now on then; nil: in the clear
}

func (a *Agent) change(c config.Config) error {
	if a.draining {
		return errors.New("the agent is draining")
	}
	moves, gone := a.plan(c)
	free := make(map[string]*listener) // given up, by address
	for _, u := range gone {
		free[u.config.Listen] = u.listener
	}
	for _, m := range moves {
		if !m.fresh && m.to.Listen != m.upstream.config.Listen {
			free[m.upstream.config.Listen] = m.upstream.listener
		}
	}

	// What can fail.
	var bound []*listener
	var accessLog *accesslog.Log
	undo := func(err error) error {
		a.access.close(accessLog)
		for _, l := range bound {
			l.Close()
		}
		return err
	}
	for i := range moves {
		m := &moves[i]
		if m.fresh {
			var err error
			if m.upstream, err = a.newUpstream(m.to, c.Agent.Zone); err != nil {
				return undo(err)
			}
		}
		if m.secures {
			var err error
			if m.tls, err = m.upstream.openTLS(m.to); err != nil {
				return undo(err)
			}
		}
		if !m.fresh && m.to.Listen == m.upstream.config.Listen {
			continue
		}
		if l, ok := free[m.to.Listen]; ok {
			m.listener = l
			delete(free, m.to.Listen)
			continue
		}
		l, err := listen(m.to.Listen)
		if err != nil {
			return undo(fmt.Errorf("upstream %q: %w", m.to.Name, err))
		}
		bound = append(bound, l)
		m.listener = l
	}
	logs := !reflect.DeepEqual(c.Telemetry.AccessLog, a.config.Telemetry.AccessLog)
	if logs {
		var err error
		if accessLog, err = a.access.open(c.Telemetry.AccessLog); err != nil {
			return undo(err)
		}
	}
	register := !reflect.DeepEqual(c.Service, a.config.Service) || c.Service != nil && !reflect.DeepEqual(c.Consul, a.config.Consul)
	var wanted goal
	if register {
		var err error
		if wanted, err = goalOf(c); err != nil {
			return undo(err)
		}
	}
	client, hub := a.consul, a.hub
	if hub == nil || !reflect.DeepEqual(c.Consul, a.config.Consul) {
		var err error
		if client, hub, err = a.connect(c); err != nil {
			wanted.close()
			return undo(err)
		}
	}

	// What cannot. Servers leave their listeners before others take these.
	for _, u := range gone {
		u.log.Info("upstream removed")
		u.end()
		a.retire(u)
	}
	for _, m := range moves {
		if !m.fresh && m.serves {
			a.retire(m.upstream)
		}
	}
	for _, l := range free {
		l.Close()
	}
	if register {
		a.registrar.aim(wanted)
	}
	if logs {
		a.access.put(accessLog)
	}
	a.restartOnly(c)
	a.probes.SetBudget(budgetOf(c.Agent.Probes))
	oldClient, oldHub := a.consul, a.hub
	a.config, a.consul, a.hub = c, client, hub
	a.upstreams = a.upstreams[:0:0]
	for _, m := range moves {
		a.upstreams = append(a.upstreams, m.upstream)
		a.apply(m, hub != oldHub)
	}
	if oldHub != nil && oldHub != hub {
		oldHub.Close()
		oldClient.Close()
	}
	a.log.SetLevel(hclog.LevelFromString(c.Agent.LogLevel))
	return nil
}

// plan finds what becomes of each upstream, by name.
func (a *Agent) plan(c config.Config) (moves []move, gone []*upstream) {
	byName := make(map[string]*upstream)
	for _, u := range a.upstreams {
		byName[u.name] = u
	}
	for _, to := range c.Upstreams {
		u, ok := byName[to.Name]
		delete(byName, to.Name)
		m := move{upstream: u, to: to, fresh: !ok}
		if ok {
			from := u.config
			m.secures = !reflect.DeepEqual(from.TLS, to.TLS)
			m.serves = m.secures || from.Listen != to.Listen || from.Protocol != to.Protocol || !reflect.DeepEqual(proxyOptions(from), proxyOptions(to))
		}
		moves = append(moves, m)
	}
	for _, u := range a.upstreams {
		if byName[u.name] == u {
			gone = append(gone, u)
		}
	}
	return moves, gone
}

// apply makes one move. With anew, Consul is reached in another way than
// before, so that its watches are opened again.
func (a *Agent) apply(m move, anew bool) {
	u, from := m.upstream, m.upstream.config
	placement := placementOf(m.to, a.config.Agent.Zone, a.client)
	moved := placement != u.placement
	u.mu.Lock()
	u.config, u.placement = m.to, placement
	if m.listener != nil {
		u.listener = m.listener
	}
	if m.secures {
		u.tls = m.tls
	}
	u.mu.Unlock()
	if m.fresh {
		a.start(u)
		return
	}
	switch {
	case m.secures:
		a.watchTLS(u)
	case u.tls != nil:
		u.tls.Look()
	}
	if reflect.DeepEqual(from, m.to) && !anew && !moved {
		return
	}
	if moved {
		u.balancer.SetPlacement(placement)
	}
	u.rebalance(from, m.to, m.secures)
	switch {
	case anew && m.to.Consul != nil || !reflect.DeepEqual(from.Consul, m.to.Consul):
		a.subscribe(u)
	case from.Limits.MaxRequestsPerServer != m.to.Limits.MaxRequestsPerServer:
		u.tellRun(u.lookup) // which puts its snapshot in force again, by the new limits
	}
	if m.to.Consul == nil {
		if err := u.balancer.Replace(staticServers(m.to)); err != nil {
			u.log.Error("the servers cannot be used; those before stay", "error", err)
		}
	}
	if m.serves {
		a.serve(u)
	}
	u.log.Info("upstream changed", "listen", u.listener.at(), "protocol", m.to.Protocol, "strategy", m.to.Strategy)
}

// rebalance has the balancer do what the configuration wants in another way
// than before, and nothing else: a strategy that is set begins anew.
func (u *upstream) rebalance(from, to config.Upstream, secures bool) {
	another := from.Strategy != to.Strategy || from.HashBalance != to.HashBalance
	if another {
		if s, err := strategyOf(to.Strategy, to); err == nil { // as the configuration has made sure
			u.balancer.SetStrategy(s)
		}
	}
	// What the shadow has counted is beside one strategy.
	if from.ShadowStrategy != to.ShadowStrategy || another && to.ShadowStrategy != "" {
		if s, err := shadowOf(to); err == nil {
			u.balancer.SetShadow(s)
		}
	}
	if queue := queueOf(to.Limits); queue != queueOf(from.Limits) {
		u.balancer.SetQueue(queue)
	}
	if secures || !reflect.DeepEqual(from.Health, to.Health) {
		u.balancer.SetHealth(healthOf(to.Health, u.tls))
	}
}

// restartOnly warns of changes that the running process does not take up.
func (a *Agent) restartOnly(c config.Config) {
	telemetry := a.config.Telemetry
	telemetry.AccessLog = c.Telemetry.AccessLog // which has been seen to
	for what, changed := range map[string]bool{
		"admin":            c.Admin != a.config.Admin,
		"telemetry":        !reflect.DeepEqual(c.Telemetry, telemetry),
		"agent.name":       c.Agent.Name != a.config.Agent.Name,
		"agent.data_dir":   c.Agent.DataDir != a.config.Agent.DataDir,
		"agent.log_format": c.Agent.LogFormat != a.config.Agent.LogFormat,

		"agent.reserved_files": c.Agent.ReservedFiles != a.config.Agent.ReservedFiles,
	} {
		if changed {
			a.log.Warn("this change takes effect with the next start only", "block", what)
		}
	}
}
