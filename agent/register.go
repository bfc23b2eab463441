package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// registry is what a registrar needs of Consul.
type registry interface {
	Register(context.Context, consul.Registration) error
	Deregister(ctx context.Context, id string) error
	Registered(ctx context.Context, id string) (bool, error)
	Report(ctx context.Context, id string, good bool, output string) (known bool, err error)
	Close()
}

// goal is an instance that is to be in a Consul. The zero goal is none.
type goal struct {
	consul registry
	place  string // which Consul that is
	want   consul.Registration
	beat   *beat // nil where Consul makes all checks itself
}

// beat is the check of the app that this agent makes and reports.
type beat struct {
	prober            health.Prober
	target            health.Target
	interval, timeout time.Duration
}

func (g goal) none() bool { return g.consul == nil }

// same tells that two goals are one instance, maybe another version of it.
func (g goal) same(o goal) bool {
	return !g.none() && !o.none() && g.place == o.place && g.want.ID == o.want.ID
}

func (g goal) close() {
	if !g.none() {
		g.consul.Close()
	}
}

// entry is a goal and what has come of it.
type entry struct {
	goal
	sent  bool // so that Consul may have the instance
	there bool // Consul has it, as far as is known
	in    bool // as the goal wants it
}

// registrar keeps the app in Consul: it registers it as soon as Consul answers,
// again when Consul has lost it, and takes it out at the end. One goroutine does
// so between start and stop, and only that waits for Consul.
type registrar struct {
	log    hclog.Logger
	to     *telemetry.Telemetry
	goals  chan goal     // the latest that was not taken up yet
	wake   chan struct{} // Consul may have lost what it had
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	status *ServiceStatus // nil without a goal; never changed

	// Of the goroutine alone.
	now      entry
	old      []entry // that were sent and still have to be taken out
	failures int     // in a row
	trouble  string  // the kind of the last failure; "" after a success
	left     bool    // at the end something was taken out
}

func newRegistrar(logger hclog.Logger, to *telemetry.Telemetry) *registrar {
	return &registrar{log: logger.Named("register"), to: to, goals: make(chan goal, 1), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// aim changes the goal. It is for one caller at a time.
func (r *registrar) aim(g goal) {
	r.forget()
	r.goals <- g
}

// forget drops a goal that was not taken up yet.
func (r *registrar) forget() {
	select {
	case g := <-r.goals:
		g.close()
	default:
	}
}

// look has the registrar look at once whether Consul still has the instance.
func (r *registrar) look() {
	select {
	case r.wake <- struct{}{}:
	default: // it is about to
	}
}

func (r *registrar) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
}

// stop takes the instance out of Consul, or gives up after a while, and tells
// whether others have to notice that.
func (r *registrar) stop() bool {
	r.cancel()
	<-r.done
	return r.left
}

func (r *registrar) run(ctx context.Context) {
	for ctx.Err() == nil {
		var next <-chan time.Time
		if pause := r.turn(ctx); pause > 0 {
			next = time.After(pause)
		}
		select {
		case <-ctx.Done():
		case g := <-r.goals:
			r.take(g)
		case <-r.wake:
		case <-next:
		}
	}
	r.leave()
}

// take makes another goal the present one. It replaces an older version of its
// instance; another instance is taken out once the new one is in.
func (r *registrar) take(next goal) {
	r.outdate()
	r.now, r.failures = entry{goal: next}, 0
	r.old = slices.DeleteFunc(r.old, func(e entry) bool {
		replaced := e.same(next)
		if replaced {
			r.now.sent, r.now.there = e.sent, e.there
			e.close()
		}
		return replaced
	})
	r.show(nil)
}

// outdate has the present goal be no goal any more.
func (r *registrar) outdate() {
	if r.now.sent {
		r.old = append(r.old, r.now)
	} else {
		r.now.close()
	}
	r.now = entry{}
}

// leave takes out what may be in Consul, at the end.
func (r *registrar) leave() {
	r.forget()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	r.outdate()
	r.show(nil)
	was := slices.ContainsFunc(r.old, func(e entry) bool { return e.there })
	err := r.takeOut(ctx, all)
	for err != nil && was && ctx.Err() == nil { // what may never have been there is tried once
		select {
		case <-ctx.Done():
		case <-time.After(registerStep):
			err = r.takeOut(ctx, all)
		}
	}
	r.left = was && err == nil
	for _, e := range r.old {
		if e.there {
			r.announce(hclog.Warn, "the service stays in Consul, as it could not be taken out", e, telemetry.RegistrationStays, err,
				"service", e.want.Name, "id", e.want.ID, "error", err)
		}
		e.close()
	}
}

// goalOf is what the configuration wants to have registered.
func goalOf(c config.Config) (goal, error) {
	if c.Service == nil {
		return goal{}, nil
	}
	client, err := consul.New(consulConfig(c.Consul))
	if err != nil {
		return goal{}, err
	}
	host, _ := os.Hostname() // without one the name and the port have to do
	return goal{
		consul: client,
		place:  fmt.Sprintf("%q %q %q", client.Address(), c.Consul.Namespace, c.Consul.Partition),
		want:   registrationOf(c.Service, host),
		beat:   beatOf(c.Service),
	}, nil
}
