// Package agent is Outrigger itself: it puts an upstream's parts together,
// starts and ends them, and tells what they do.
package agent

import (
	"context"
	"fmt"
	"log"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// Build says which program this is.
type Build struct {
	Version  string
	Revision string
}

// Agent runs upstreams. Create it with New, run it once with Run.
type Agent struct {
	log       hclog.Logger
	errorLog  *log.Logger // for what net/http has to say
	build     Build
	telemetry *telemetry.Telemetry
	started   time.Time
	client    string       // what it is known by where upstreams are used in subsets
	admin     *adminServer // nil when it is off
	registrar *registrar
	access    access
	detach    func()     // the log from telemetry
	failed    chan error // what ends Run

	probes *health.Scheduler // makes those of all upstreams

	memory      *proxy.Memory      // of the process; nil without a limit
	descriptors *proxy.Descriptors // likewise
	loops       *socket.Loops      // of HTTP servers; nil where there are none

	// Workers follow catalogs, probe and sample; they end when Run is told to.
	workers  sync.WaitGroup
	working  context.Context
	stopWork context.CancelFunc
	// Servers serve until their listeners are closed, and drain until no request
	// is left or drained ends.
	servers   sync.WaitGroup
	retired   sync.WaitGroup
	drained   context.Context
	endDrains context.CancelFunc

	reloading sync.Mutex // held by Reload, and by Run while it ends
	mu        sync.RWMutex
	config    config.Config
	upstreams []*upstream // in the order of the configuration
	consul    *consul.Client
	hub       *discovery.Hub[consul.Query]
	draining  bool
	reload    *ReloadStatus
}

// New makes an agent and binds all its listeners, so that a port that is taken
// is known at once. It starts nothing but telemetry, to which lines of the log go
// along only if the logger is an hclog.InterceptLogger.
func New(c config.Config, logger hclog.Logger, build Build) (_ *Agent, err error) {
	a := &Agent{
		log:         logger,
		errorLog:    logger.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		build:       build,
		started:     time.Now(),
		client:      clientOf(c.Agent.Name),
		failed:      make(chan error, 1),
		probes:      health.NewScheduler(budgetOf(c.Agent.Probes), nil),
		config:      c,
		memory:      proxy.NewMemory(),
		descriptors: proxy.NewDescriptors(c.Agent.ReservedFiles),
		access:      access{log: logger.Named("access_log")},
	}
	a.working, a.stopWork = context.WithCancel(context.Background())
	a.drained, a.endDrains = context.WithCancel(context.Background())
	settings := telemetryConfig(c, build)
	settings.OnError = func(err error) { logger.Named(loggerOfTelemetry).Warn("telemetry", "error", err) }
	if a.telemetry, err = telemetry.Setup(context.Background(), settings, a); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	a.detach = attachSink(logger, a.telemetry)
	a.registrar = newRegistrar(logger, a.telemetry)
	defer func() {
		if err != nil {
			a.unwind()
		}
	}()
	accessLog, err := a.access.open(c.Telemetry.AccessLog)
	if err != nil {
		return nil, err
	}
	a.access.put(accessLog)
	if a.loops, err = socket.NewLoops(loops()); err != nil {
		return nil, err
	}
	if c.Admin.Listen != "off" {
		if a.admin, err = newAdminServer(a, c.Admin.Listen); err != nil {
			return nil, fmt.Errorf("admin: %w", err)
		}
	}
	for _, uc := range c.Upstreams {
		u, err := a.newUpstream(uc, c.Agent.Zone)
		if err != nil {
			return nil, err
		}
		if u.listener, err = listen(uc.Listen); err != nil {
			return nil, fmt.Errorf("upstream %q: %w", uc.Name, err)
		}
		a.upstreams = append(a.upstreams, u)
	}
	wanted, err := goalOf(c)
	if err != nil {
		return nil, err
	}
	a.registrar.aim(wanted)
	if a.consul, a.hub, err = a.connect(c); err != nil {
		return nil, err
	}
	return a, nil
}

// unwind gives back what a New that failed had taken.
func (a *Agent) unwind() {
	if a.admin != nil {
		a.admin.listener.Close()
	}
	for _, u := range a.upstreams {
		u.listener.Close()
	}
	a.registrar.forget()
	a.stopWork()
	a.endDrains()
	a.access.stop()
	_ = a.telemetry.Shutdown(context.Background())
	a.loops.Close()
	a.detach()
}

// Run serves until ctx ends, then drains and returns nil; or it returns why it
// could not go on. Every goroutine it started has ended by then.
func (a *Agent) Run(ctx context.Context) error {
	a.mu.Lock()
	for _, u := range a.upstreams {
		a.start(u)
	}
	a.mu.Unlock()
	if a.admin != nil {
		a.servers.Go(func() {
			if err := a.admin.serve(); err != nil {
				a.fail(fmt.Errorf("admin: %w", err))
			}
		})
	}
	a.workers.Go(a.sample)
	a.workers.Go(func() { _ = a.probes.Run(a.working) })
	a.registrar.start()

	var err error
	select {
	case <-ctx.Done():
	case err = <-a.failed:
		a.log.Error("cannot go on", "error", err)
	}
	a.drain()
	return err
}

// fail ends Run.
func (a *Agent) fail(err error) {
	select {
	case a.failed <- err:
	default: // it is ending already
	}
}

// start sets an upstream to work. The caller holds a.mu.
func (a *Agent) start(u *upstream) {
	ctx, end := context.WithCancel(a.working)
	u.working, u.end = ctx, end
	a.workers.Go(func() {
		defer close(u.ended)
		u.run(ctx)
	})
	a.watchTLS(u)
	a.subscribe(u)
	a.serve(u)
	u.log.Info("serving", "listen", u.listener.at(), "protocol", u.config.Protocol, "strategy", u.config.Strategy)
}

// sample keeps the readings that rates are made of.
func (a *Agent) sample() {
	ticker := time.NewTicker(windowStep)
	defer ticker.Stop()
	for {
		select {
		case <-a.working.Done():
			return
		case <-ticker.C:
			for _, u := range a.list() {
				u.window.push(u.reading())
			}
		}
	}
}

func (a *Agent) list() []*upstream {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.Clone(a.upstreams)
}

// drain ends everything in the order in which nothing is lost: others are told
// to stay away from the app, which may need its upstreams until they do; nobody
// new is let in, what is under way ends, and only then what that needs.
func (a *Agent) drain() {
	a.reloading.Lock() // no reload begins any more
	defer a.reloading.Unlock()
	a.mu.Lock()
	a.draining = true
	limit, service := a.config.Agent.DrainTimeout, a.config.Service
	upstreams := slices.Clone(a.upstreams)
	a.mu.Unlock()
	if left := a.registrar.stop(); left && service != nil && service.DeregisterWait > 0 {
		a.log.Info("waiting for others to notice that the service is gone", "for", service.DeregisterWait)
		time.Sleep(service.DeregisterWait)
	}
	a.log.Info("draining", "timeout", limit)

	deadline := time.AfterFunc(limit, a.endDrains)
	defer deadline.Stop()
	for _, u := range upstreams {
		a.retire(u)
		u.listener.Close()
	}
	a.retired.Wait()
	if a.drained.Err() != nil && limit > 0 {
		a.log.Warn("the time to drain is up; what was still under way was cut")
	}
	a.endDrains()

	a.stopWork()
	a.workers.Wait()
	if a.hub != nil {
		a.hub.Close()
		a.consul.Close()
	}
	a.access.stop() // before the metrics that count its lines
	if err := a.telemetry.Shutdown(context.Background()); err != nil {
		a.log.Warn("the last telemetry may be lost", "error", err)
	}
	if a.admin != nil {
		a.admin.close()
	}
	a.servers.Wait()
	a.loops.Close()
	a.detach()
	a.memory.Close()
	a.log.Info("stopped")
}

// status is the answer of /v1/status.
func (a *Agent) status() Status {
	a.mu.RLock()
	s := Status{
		Name: a.config.Agent.Name, Version: a.build.Version, Revision: a.build.Revision, Started: a.started,
		State: "running", Reload: a.reload, Service: a.registrar.report(), Probes: a.probesStatus(), Upstreams: []UpstreamStatus{},
	}
	if a.draining {
		s.State = "draining"
	}
	a.mu.RUnlock()
	for _, u := range a.list() {
		row, _ := u.status()
		s.Upstreams = append(s.Upstreams, row)
	}
	return s
}

// Ready tells whether every upstream has a usable backend.
func (a *Agent) Ready() bool {
	for _, u := range a.list() {
		if u.balancer.Stats().Usable == 0 {
			return false
		}
	}
	return true
}

// upstream finds one by name, nil where there is none.
func (a *Agent) upstream(name string) *upstream {
	for _, u := range a.list() {
		if u.name == name {
			return u
		}
	}
	return nil
}

// Addresses tells where the upstreams listen, by name; for callers that had
// the system choose ports. "admin" is the admin listener.
func (a *Agent) Addresses() map[string]string {
	addresses := make(map[string]string)
	for _, u := range a.list() {
		addresses[u.name] = u.at()
	}
	if a.admin != nil {
		addresses["admin"] = a.admin.listener.Addr().String()
	}
	return addresses
}
