package lb

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Hooks let the owner of a balancer follow what happens in it. They are called
// one at a time and in order, after the change is in force, by whichever
// goroutine made it or another that was at it already.
type Hooks struct {
	Change func(Change)                               // a server's verdict changed
	Panic  func(on bool, usable, known int)           // the pool was widened, or narrowed again
	Probe  func(server *Server, result health.Result) // after each probe that was made

	// Waited is called after each wait in the Queue, whatever it brought, unlike
	// the others by the one who waited, at once and beside others.
	Waited func(time.Duration)
}

// Change is a change of one server's verdict.
type Change struct {
	Server   *Server // must not be changed
	From, To health.Verdict
	Reason   string
}

// WithHooks sets whom to tell of changes.
func WithHooks(h Hooks) Option { return func(b *Balancer) { b.hooks = h } }

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
