package lb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// ErrUnreachable marks a failure that Lease.Fail is told of as one to connect:
// errors.Is(cause, ErrUnreachable) holds for it.
var ErrUnreachable = errors.New("lb: the server cannot be reached")

// ErrUnknownServer is returned for an ID that the balancer does not have.
var ErrUnknownServer = errors.New("lb: unknown server")

// Health is how a balancer finds out which servers can be used. The zero
// value takes every server that no registry speaks against.
type Health struct {
	Check    *health.Check   // periodic probes, made while Run runs; nil: none
	Ejection health.Ejection // on failed requests
	// Damping keeps out servers that go up and down again and again, within the
	// share that Ejection allows to be out. What is done by hand is no such
	// change, and SetHealthy also lets a server in.
	Damping health.Damping
	// Reach is a check that Run makes only of servers ejected because they
	// could not be reached, see ErrUnreachable; the first good one ends the
	// ejection. With it the first such failure ejects, where Ejection ejects at
	// all. nil: none, so that such an ejection takes as many failures as any
	// other, and lasts its time too.
	Reach  *health.Check
	Policy health.Policy // how all that is merged into one word
}

// Option sets something up in New.
type Option func(*Balancer)

// WithHealth sets how servers are judged.
func WithHealth(h Health) Option { return func(b *Balancer) { b.setHealth(h) } }

// WithQueue sets how many callers of Acquire may wait for a place.
func WithQueue(q Queue) Option { return func(b *Balancer) { b.queue.set(q) } }

// WithClock has the balancer tell the time by now, for simulations. Run, the
// timers of a Queue and probes go on by the system's clock.
func WithClock(now func() time.Time) Option { return func(b *Balancer) { b.clock.read = now } }

// WithRandom has all chance come from source, such as the Uint64 of a seeded
// rand.Rand, so that a simulation can be repeated. The balancer must then be
// used by one goroutine at a time, unless the source allows for more.
func WithRandom(source func() uint64) Option { return func(b *Balancer) { b.random = source } }

// Balancer selects servers. All methods may be called at any time from any
// goroutine. Create it with New.
type Balancer struct {
	pool       atomic.Pointer[pool]
	ejectAfter atomic.Int64 // health.Ejection.Failures, where Fail can read it
	queue      queue
	running    atomic.Bool // Run is under way
	clock      clock
	random     func() uint64
	makeshift  makeshift

	mu          sync.Mutex
	strategy    Strategy
	shadow      Strategy // nil for none
	shadowCount *shadowCount
	placement   Placement
	health      Health
	freshness   health.Freshness
	members     map[string]*member
	leaving     []*member // removed, and in use or not long ago
	loads       loads
	events      []func() // hooks to call, in order

	hooks   Hooks
	telling sync.Mutex    // held while hooks run; never waited for
	recheck chan struct{} // tells Run that members or checks may have changed

	scheduler *health.Scheduler // of the probes; nil: one for each Run
	unsettled atomic.Bool       // probes have changed what the pool does not show yet
	settle    chan struct{}     // tells Run that
}

// New makes a balancer without servers; a nil strategy means RoundRobin. It
// starts nothing: probes are made by Run.
func New(s Strategy, options ...Option) *Balancer {
	if s == nil {
		s = RoundRobin()
	}
	b := &Balancer{strategy: s, random: rand.Uint64, members: make(map[string]*member), recheck: make(chan struct{}, 1), settle: make(chan struct{}, 1)}
	for _, option := range options {
		option(b)
	}
	b.rebuild()
	return b
}

// change runs f under the lock, publishes the pool that follows from it, and
// tells the hooks.
func (b *Balancer) change(f func() error) error {
	b.mu.Lock()
	err := f()
	if err == nil {
		b.rebuild()
	}
	b.mu.Unlock()
	b.queue.placeFreed(b)
	b.tell()
	return err
}

// Add adds a server. It is an error if the ID is taken or the server invalid.
func (b *Balancer) Add(s Server) error {
	return b.change(func() error {
		if err := s.validate(); err != nil {
			return err
		}
		if _, ok := b.members[s.ID]; ok {
			return fmt.Errorf("lb: there is a server %q already", s.ID)
		}
		b.put(&s)
		return nil
	})
}

// Remove takes a server out. Leases on it stay good. It returns
// ErrUnknownServer when there is none of that ID.
func (b *Balancer) Remove(id string) error {
	return b.change(func() error {
		m, ok := b.members[id]
		if !ok {
			return fmt.Errorf("%w: %q", ErrUnknownServer, id)
		}
		b.drop(m)
		return nil
	})
}

// Replace makes set the servers, in one step: selections see all of the old
// set or all of the new. Servers with an ID and address as before keep their
// numbers and their health. When set is invalid nothing changes.
func (b *Balancer) Replace(set []Server) error {
	return b.change(func() error {
		wanted := make(map[string]bool, len(set))
		for i := range set {
			s := &set[i]
			if err := s.validate(); err != nil {
				return err
			}
			if wanted[s.ID] {
				return fmt.Errorf("lb: server %q occurs twice", s.ID)
			}
			wanted[s.ID] = true
		}
		for id, m := range b.members {
			if !wanted[id] {
				b.drop(m)
			}
		}
		for i := range set { // in order, so that chance which repeats falls on the same
			b.put(&set[i])
		}
		return nil
	})
}

// Strategy is the strategy in force.
func (b *Balancer) Strategy() Strategy {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.strategy
}

// SetQueue changes how many callers of Acquire may wait; those who do go on.
func (b *Balancer) SetQueue(q Queue) { b.queue.set(q) }

// SetStrategy changes the strategy; servers keep their numbers.
func (b *Balancer) SetStrategy(s Strategy) {
	_ = b.change(func() error { b.strategy = s; return nil })
}

// SetHealth changes how servers are judged.
func (b *Balancer) SetHealth(h Health) {
	_ = b.change(func() error { b.setHealth(h); return nil })
}

func (b *Balancer) setHealth(h Health) {
	if h.Reach != nil {
		reach := h.Reach.WithDefaults()
		h.Reach = &reach
	}
	if h.Check != nil {
		check := h.Check.WithDefaults()
		h.Check = &check
	} else if b.health.Check != nil { // what nobody goes on checking must not count for ever
		for _, m := range b.members {
			m.probe = health.Result{}
		}
	}
	h.Damping = h.Damping.WithDefaults()
	b.health = h
	b.ejectAfter.Store(int64(h.Ejection.Failures))
}

// SetFreshness says how far the registry behind Server.Declared can be
// trusted at present. It returns whether that is something new.
func (b *Balancer) SetFreshness(f health.Freshness) bool {
	return b.change(func() error {
		if b.freshness == f {
			return errUnchanged
		}
		b.freshness = f
		return nil
	}) == nil
}

var errUnchanged = errors.New("lb: nothing to change")

// SetHealthy marks a server by hand, as a probe would; while Run probes, the
// probes go on from there. It returns ErrUnknownServer for an unknown ID.
func (b *Balancer) SetHealthy(id string, healthy bool) error {
	return b.change(func() error {
		m, ok := b.members[id]
		if !ok {
			return fmt.Errorf("%w: %q", ErrUnknownServer, id)
		}
		m.probe = health.Result{Status: health.ProbeDown, Output: "marked by hand"}
		if healthy {
			m.probe.Status, m.probe.Good = health.ProbeUp, true
			m.afresh()
		}
		m.probed = b.clock.now()
		m.flaps = flapping{total: m.flaps.total}
		return nil
	})
}

// SetDraining takes a server out by hand, or back in. While it drains it gets
// no new leases, and those it has go on; so it does when it leaves and is back
// within seconds, as after a mistake of its registry. It returns
// ErrUnknownServer for an unknown ID.
func (b *Balancer) SetDraining(id string, draining bool) error {
	return b.change(func() error {
		m, ok := b.members[id]
		if !ok {
			return fmt.Errorf("%w: %q", ErrUnknownServer, id)
		}
		m.drained = draining
		return nil
	})
}
