package lb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Why Select can give no server.
var (
	ErrNoServers  = errors.New("lb: there are no servers")
	ErrNoHealthy  = errors.New("lb: no server is healthy")
	ErrNoCapacity = errors.New("lb: every healthy server is at its limit")
	ErrAllTried   = errors.New("lb: every healthy server was tried")
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
	// Reach is a check that Run makes only of servers ejected because they
	// could not be reached, see ErrUnreachable; the first good one ends the
	// ejection. nil: none, so that such an ejection lasts its time too.
	Reach          *health.Check
	PanicThreshold float64 // see health.Policy
}

// Hooks let the owner of a balancer follow what happens in it. They are called
// one at a time and in order, after the change is in force, by whichever
// goroutine made it or another that was at it already.
type Hooks struct {
	Change func(Change)                               // a server's verdict changed
	Panic  func(on bool, usable, known int)           // the pool was widened, or narrowed again
	Probe  func(server *Server, result health.Result) // after each probe
}

// Change is a change of one server's verdict.
type Change struct {
	Server   *Server // must not be changed
	From, To health.Verdict
	Reason   string
}

// Option sets something up in New.
type Option func(*Balancer)

// WithHealth sets how servers are judged.
func WithHealth(h Health) Option { return func(b *Balancer) { b.setHealth(h) } }

// WithHooks sets whom to tell of changes.
func WithHooks(h Hooks) Option { return func(b *Balancer) { b.hooks = h } }

// Balancer selects servers. All methods may be called at any time from any
// goroutine. Create it with New.
type Balancer struct {
	pool       atomic.Pointer[pool]
	ejectAfter atomic.Int64 // health.Ejection.Failures, where Fail can read it

	mu        sync.Mutex
	strategy  Strategy
	health    Health
	freshness health.Freshness
	members   map[string]*member
	leaving   []*member // removed, and in use or not long ago
	events    []func()  // hooks to call, in order

	hooks   Hooks
	telling sync.Mutex    // held while hooks run; never waited for
	recheck chan struct{} // tells Run that members or checks changed
}

// New makes a balancer without servers; a nil strategy means RoundRobin. It
// starts nothing: probes are made by Run.
func New(s Strategy, options ...Option) *Balancer {
	if s == nil {
		s = RoundRobin()
	}
	b := &Balancer{strategy: s, members: make(map[string]*member), recheck: make(chan struct{}, 1)}
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
	b.tell()
	return err
}

// tell calls the hooks for what happened, outside mu and in order. If another
// goroutine is at it already, it will do these too: nobody waits for a hook.
func (b *Balancer) tell() {
	for b.telling.TryLock() {
		b.mu.Lock()
		events := b.events
		b.events = nil
		b.mu.Unlock()
		for _, event := range events {
			event()
		}
		b.telling.Unlock()
		if len(events) == 0 {
			return
		}
	}
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
		wanted := make(map[string]*Server, len(set))
		for i := range set {
			s := set[i]
			if err := s.validate(); err != nil {
				return err
			}
			if _, ok := wanted[s.ID]; ok {
				return fmt.Errorf("lb: server %q occurs twice", s.ID)
			}
			wanted[s.ID] = &s
		}
		for id, m := range b.members {
			if _, ok := wanted[id]; !ok {
				b.drop(m)
			}
		}
		for _, s := range wanted {
			b.put(s)
		}
		return nil
	})
}

// put adds s, or updates the member of its ID. One that moved to another
// address is another server: its numbers must not be mixed with the old one's.
func (b *Balancer) put(s *Server) {
	m, ok := b.members[s.ID]
	if ok && m.spec.Address == s.Address {
		if !m.spec.equal(s) {
			m.spec = s
		}
		return
	}
	if ok {
		b.drop(m)
	}
	back := func(m *member) bool { return m.spec.ID == s.ID && m.spec.Address == s.Address }
	if i := slices.IndexFunc(b.leaving, back); i >= 0 {
		m = b.leaving[i]
		b.leaving = slices.Delete(b.leaving, i, i+1)
		m.spec, m.left = s, time.Time{}
		m.probe = health.Result{} // the port may have been reused meanwhile
	} else {
		m = &member{spec: s}
	}
	b.members[s.ID] = m
}

func (b *Balancer) drop(m *member) {
	gone := *m.spec
	gone.Declared = health.Declaration{Status: health.Absent}
	m.spec, m.left, m.usable = &gone, time.Now(), false
	delete(b.members, gone.ID)
	b.leaving = append(b.leaving, m)
}

// remember is how long a removed server is kept in mind, so that one which
// comes back soon keeps its numbers, and people see where it went.
const remember = 30 * time.Second

// forget drops the removed servers that are idle and long gone.
func (b *Balancer) forgetLeft(now time.Time) {
	b.leaving = slices.DeleteFunc(b.leaving, func(m *member) bool {
		return now.Sub(m.left) >= remember && m.active.Load() == 0
	})
}

// Strategy is the strategy in force.
func (b *Balancer) Strategy() Strategy {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.strategy
}

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
			m.outlier.until = time.Time{}
			m.streak.Store(0)
		}
		m.probed = time.Now()
		return nil
	})
}

// rebuild judges all servers and publishes the pool. It alone stores b.pool;
// the caller holds mu (or is New).
func (b *Balancer) rebuild() {
	now := time.Now()
	b.forgetLeft(now)
	members := slices.SortedFunc(maps.Values(b.members), byID)
	evidence := make([]health.Evidence, len(members))
	for i, m := range members {
		b.prove(m, now)
		evidence[i] = m.evidence(b.freshness)
	}
	decision := health.Policy{PanicThreshold: b.health.PanicThreshold}.Decide(evidence)
	for i, m := range members {
		b.judge(m, evidence[i], decision.Verdicts[i], now)
	}
	for _, m := range b.leaving {
		e := m.evidence(b.freshness)
		b.judge(m, e, health.Merge(e, false), now)
	}

	next := &pool{known: len(members), panic: decision.Panic, revisit: nextReturn(members)}
	for _, m := range members {
		m.usable = false
	}
	for _, i := range decision.Usable {
		m := members[i]
		m.usable = true
		next.candidates = append(next.candidates, &Candidate{
			server: m.spec,
			member: m,
			weight: int64(max(1, decision.Verdicts[i].Weight)),
			limit:  int64(m.spec.MaxConnections),
		})
	}
	switch {
	case len(next.candidates) > 0:
		next.picker = b.strategy.Prepare(next.candidates)
	case len(members) > 0:
		next.err = ErrNoHealthy
	default:
		next.err = ErrNoServers
	}
	last := b.pool.Swap(next)
	if b.hooks.Panic != nil && last != nil && last.panic != next.panic {
		b.events = append(b.events, func() { b.hooks.Panic(next.panic, len(next.candidates), next.known) })
	}
	select {
	case b.recheck <- struct{}{}:
	default:
	}
}

// prove brings a member's own evidence up to date: ejections end, and probes
// count only while there are any.
func (b *Balancer) prove(m *member, now time.Time) {
	if until := m.outlier.until; !until.IsZero() && !now.Before(until) {
		m.outlier.until = time.Time{}
		m.streak.Store(0)
	}
	switch {
	case b.health.Check != nil && m.probe.Status == health.Unprobed:
		m.probe.Status = health.Unproven
	case b.health.Check == nil && m.probe.Status == health.Unproven:
		m.probe.Status = health.Unprobed
	}
}

// judge notes a verdict and remembers to tell of it if it is a new one.
func (b *Balancer) judge(m *member, e health.Evidence, v health.Verdict, now time.Time) {
	last := m.verdict
	if v == last {
		return
	}
	m.verdict = v
	if v.State != last.State {
		m.since = now
	}
	if b.hooks.Change != nil {
		c := Change{Server: m.spec, From: last, To: v, Reason: m.reason(e)}
		b.events = append(b.events, func() { b.hooks.Change(c) })
	}
}

// reason tells people why the verdict is what it is.
func (m *member) reason(e health.Evidence) string {
	r := m.verdict.Reason(e)
	switch {
	case m.verdict.State == health.Ejected && m.outlier.cause != "":
		r += ": " + m.outlier.cause
	case m.verdict.Rule == 4 && m.probe.Output != "":
		r += ": " + m.probe.Output
	}
	return r
}
