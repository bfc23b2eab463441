package agent

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// upstream is one service: where it is watched, how it is balanced and where
// the app calls it.
type upstream struct {
	name     string
	log      hclog.Logger
	balancer *lb.Balancer
	meter    *proxy.Meter
	observer *logged
	window   *window
	tell     *telemetry.Telemetry
	archive  *discovery.Archive // nil keeps no snapshots
	follow   chan *lookup       // what to follow from now on; nil for static servers
	working  context.Context    // of run; set by start, as are end and endTLS
	end      context.CancelFunc // of working
	endTLS   context.CancelFunc // ends the following of the files of TLS; nil in the clear
	ended    chan struct{}      // closed when run has returned

	mu        sync.Mutex // guards what a reload changes, and the snapshot
	config    config.Upstream
	placement lb.Placement
	tls       *secure.Client // nil: in the clear
	listener  *listener
	serving   *serving
	servers   []proxy.Server          // at work or draining
	watch     *discovery.Subscription // nil without Consul, and before it is asked; set by run alone
	snapshot  discovery.Snapshot      // in force; zero before the first
	plan      planned                 // of a prepared query, for people
	last      discovery.Status        // of the watch before, which holds until the present one has an answer
	lookup    *lookup                 // what was told to run last; of those who reload alone
}

// serving is a server at work on an upstream's listener.
type serving struct {
	server proxy.Server
	loan   net.Listener
	done   chan struct{} // closed when Serve has returned
}

// newUpstream makes what survives reloads, in a zone. It binds and starts
// nothing.
func (a *Agent) newUpstream(c config.Upstream, zone string) (*upstream, error) {
	u := &upstream{
		name:      c.Name,
		log:       a.log.Named(c.Name),
		meter:     new(proxy.Meter),
		tell:      a.telemetry,
		follow:    make(chan *lookup),
		ended:     make(chan struct{}),
		config:    c,
		placement: placementOf(c, zone, a.client),
	}
	if dir := a.config.Agent.DataDir; dir != "" {
		u.archive = &discovery.Archive{Dir: dir}
	}
	strategy, err := strategyOf(c.Strategy, c)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", c.Name, err)
	}
	shadow, err := shadowOf(c)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: shadow: %w", c.Name, err)
	}
	if u.tls, err = u.openTLS(c); err != nil {
		return nil, err
	}
	hooks := lb.Hooks{
		Change: u.changed,
		Panic:  u.panicked,
		Probe: func(_ *lb.Server, r health.Result) {
			u.tell.HealthCheck(u.name, u.checkType(), r.Good, r.Took)
		},
		Waited: a.telemetry.Waits(c.Name),
	}
	u.balancer = lb.New(strategy, lb.WithHealth(healthOf(c.Health, u.tls)), lb.WithHooks(hooks), lb.WithShadow(shadow),
		lb.WithPlacement(u.placement), lb.WithQueue(queueOf(c.Limits)), lb.WithScheduler(a.probes))
	if err := u.balancer.Replace(staticServers(c)); err != nil {
		return nil, fmt.Errorf("upstream %q: %w", c.Name, err)
	}
	u.observer = &logged{Observer: a.telemetry.Observer(c.Name, choosing{u}), access: &a.access, upstream: c.Name}
	u.window = newWindow(u.reading())
	return u, nil
}

func (u *upstream) reading() reading { return read(u.meter, u.balancer.AllStats(), u.balancer.Stats()) }

func (u *upstream) checkType() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.config.Health.Check == nil {
		return ""
	}
	return u.config.Health.Check.Type
}

// changed tells of a change of one backend.
func (u *upstream) changed(c lb.Change) {
	fields := []any{"backend", c.Server.ID, "address", c.Server.Address, "from", c.From.State.String(), "to", c.To.State.String(),
		"weight", c.To.Weight, "rule", c.To.Rule, "reason", c.Reason}
	if check := c.Server.Declared.Check; check != "" {
		fields = append(fields, "check", check)
	}
	if c.To.Rule == 18 {
		fields = append(fields, u.damped(c.Server.ID)...)
	}
	message := "backend changed state"
	switch {
	case c.From.State == health.Unseen:
		message = "backend added"
	case c.To.Rule == 2:
		message = "backend removed"
	case c.From.State == c.To.State:
		u.log.Debug("backend judged anew", fields...)
		return
	}
	switch {
	case c.From.State == health.Unseen:
		u.tellServers(func(f proxy.Follower) { f.Added(c.Server) })
	case c.To.Rule == 2:
		u.secured().Forget(c.Server.Address)
		u.tellServers(func(f proxy.Follower) { f.Removed(c.Server) })
	}
	announce(u.log, u.tell, hclog.Info, message, telemetry.BackendChanged{
		Upstream: u.name, Backend: c.Server.ID, Zone: c.Server.Zone, Address: c.Server.Address, From: c.From, To: c.To, Reason: c.Reason,
	}, fields...)
}

// tellServers tells the servers of the upstream, those before the present one
// included.
func (u *upstream) tellServers(tell func(proxy.Follower)) {
	u.mu.Lock()
	servers := slices.Clone(u.servers)
	u.mu.Unlock()
	for _, s := range servers {
		if f, ok := s.(proxy.Follower); ok {
			tell(f)
		}
	}
}

func (u *upstream) panicked(on bool, usable, known int) {
	level, message := hclog.Info, "enough backends are up again"
	switch {
	case on && usable == 0: // only failing closed leaves nobody
		level, message = hclog.Warn, "too few backends are up: refusing requests, as panic = \"fail_closed\" wants"
	case on:
		level, message = hclog.Warn, "too few backends are up: using others too"
	}
	announce(u.log, u.tell, level, message, telemetry.PanicChanged{Upstream: u.name, On: on, Usable: usable, Known: known},
		"usable", usable, "known", known)
}

// circuitChanged tells what the circuit breaker does.
func (u *upstream) circuitChanged(from, to proxy.CircuitState) {
	level := hclog.Info
	if to == proxy.CircuitOpen {
		level = hclog.Warn
	}
	announce(u.log, u.tell, level, "the circuit breaker is "+strings.ReplaceAll(to.String(), "_", " "),
		telemetry.CircuitChanged{Upstream: u.name, To: to}, "from", from.String(), "to", to.String())
}

// serve puts a new server behind the upstream's listener, which a server
// before it has given back.
func (a *Agent) serve(u *upstream) {
	options := proxyOptions(u.config)
	options.TLS = u.secured()
	options.Balancer, options.Observer, options.Meter, options.ErrorLog = u.balancer, u.observer, u.meter, a.errorLog
	options.Memory, options.Descriptors, options.Loops = a.memory, a.descriptors, a.loops
	options.OnCircuit, options.OnVisit, options.OnClosed = u.circuitChanged, u.visited, a.telemetry.Lives(u.name)
	s := &serving{loan: u.listener.lend(), done: make(chan struct{})}
	if u.config.Protocol == "tcp" {
		s.server = proxy.NewTCP(options)
	} else {
		s.server = proxy.NewHTTP(options)
	}
	u.serving = s
	u.mu.Lock()
	u.servers = append(u.servers, s.server)
	u.mu.Unlock()
	a.servers.Go(func() {
		defer close(s.done)
		if err := s.server.Serve(s.loan); err != nil {
			a.fail(err)
		}
	})
}

// retire takes the upstream's server off the listener, and lets it end what it
// has begun. The listener can be lent again when retire returns.
func (a *Agent) retire(u *upstream) {
	s := u.serving
	_ = s.loan.Close()
	<-s.done
	a.retired.Go(func() {
		s.server.Drain(a.drained)
		u.mu.Lock()
		defer u.mu.Unlock()
		u.servers = slices.DeleteFunc(u.servers, func(other proxy.Server) bool { return other == s.server })
	})
}

func (u *upstream) current() discovery.Snapshot {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.snapshot
}

// age tells the balancer how old the word of the catalog is, if there is one,
// and sets the timer for when that changes.
func (u *upstream) age(catalog bool, timer *time.Timer) {
	if !catalog {
		u.balancer.SetFreshness(health.Fresh)
		return
	}
	freshness, since, changes := u.freshness()
	if u.balancer.SetFreshness(freshness) {
		level := hclog.Warn
		if freshness == health.Fresh {
			level = hclog.Info
		}
		age := time.Since(since)
		announce(u.log, u.tell, level, "the catalog's word is "+freshness.String(),
			telemetry.FreshnessChanged{Upstream: u.name, Freshness: freshness, Age: age}, "age", age.Round(time.Second))
	}
	if !changes.IsZero() {
		timer.Reset(time.Until(changes))
	}
}

// freshness is how far the snapshot in force can be trusted, since when nothing
// has renewed it, and when its freshness changes next. One from disk is stale
// at best.
func (u *upstream) freshness() (f health.Freshness, since, changes time.Time) {
	u.mu.Lock()
	maxStale, kept, watch, status := u.config.Health.MaxStale, u.snapshot.At, u.watch, u.last
	u.mu.Unlock()
	if watch != nil {
		if s := watch.Status(); !s.Answered.IsZero() {
			status = s
		}
	}
	if !status.Answered.IsZero() {
		f, changes = status.Freshness(time.Now(), maxStale)
		return f, status.Answered, changes
	}
	if kept.IsZero() {
		return health.Fresh, time.Now(), time.Time{} // nothing is known yet
	}
	if expires := kept.Add(maxStale); time.Now().Before(expires) {
		return health.Stale, kept, expires
	}
	return health.Expired, kept, time.Time{}
}

// choosing tells telemetry how an upstream chooses.
type choosing struct{ *upstream }

// Choice implements telemetry.Choosing.
func (c choosing) Choice(s *lb.Server) lb.Choice { return c.balancer.Choice(s) }

// Age implements telemetry.Choosing.
func (c choosing) Age() time.Duration {
	c.mu.Lock()
	catalog := c.watch != nil || !c.snapshot.At.IsZero()
	c.mu.Unlock()
	if !catalog {
		return 0
	}
	_, since, _ := c.freshness()
	return time.Since(since)
}

// put makes a snapshot the balancer's servers.
func (u *upstream) put(s discovery.Snapshot) {
	u.mu.Lock()
	before := discovery.Snapshot{Instances: u.snapshot.Instances}
	u.snapshot = s
	limits := u.config.Limits
	u.mu.Unlock()
	servers := make([]lb.Server, len(s.Instances))
	for i, instance := range s.Instances {
		servers[i] = lb.Server{
			ID: instance.ID, Address: instance.Address, Weight: instance.Weight, Zone: instance.Zone,
			Priority: instance.Priority, Metadata: instance.Metadata, Declared: instance.Declared, MaxConnections: limits.MaxRequestsPerServer,
		}
	}
	if err := u.balancer.Replace(servers); err != nil {
		u.log.Error("the catalog's answer cannot be used; the one before stays in force", "error", err)
		return
	}
	if !before.Equal(discovery.Snapshot{Instances: s.Instances}) {
		announce(u.log, u.tell, hclog.Debug, "other backends are in force",
			telemetry.DiscoveryUpdated{Upstream: u.name, Index: s.Index, Backends: len(servers)}, "index", s.Index, "backends", len(servers))
	}
}

func (u *upstream) at() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.listener.at()
}
