package proxy

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// Removal says what becomes of what goes on with a server that is not in the
// balancer any more. Nothing new goes there in any case, and connections that
// carry nothing are closed. A request is not cut at once whatever the mode: the
// server may be ending in order, and about to answer.
type Removal struct {
	Mode  RemovalMode   // "" is Keep
	Grace time.Duration // of Drain, and with Close of requests: how long they may go on
}

// RemovalMode is a way to treat tunnels, which TCP connections and upgraded ones
// are, and requests, which streams of gRPC or of events are too.
type RemovalMode string

// The ways there are.
const (
	Keep  RemovalMode = "keep"  // until they end
	Drain RemovalMode = "drain" // until they end, or the grace does and the server has not come back
	Close RemovalMode = "close" // tunnels at once, requests as with Drain
)

// ends tells whether anything is to end at all.
func (r Removal) ends() bool { return r.Mode == Drain || r.Mode == Close }

// dismiss has a relay to a removed server end.
func (r Removal) dismiss(relay *relay) {
	if r.Mode == Close {
		relay.fail(errDismissed)
		return
	}
	relay.dismiss(relay.clock.Now() + r.Grace)
}

// Follower is a Server that wants to know which servers come to its balancer
// and which go, and when the files of TLS are renewed. It is told afterwards, by
// whoever made the change, so it must not wait.
type Follower interface {
	Added(*lb.Server)
	Removed(*lb.Server)
	Renewed()
}

// Added implements Follower.
func (t *TCP) Added(*lb.Server) {}

// Removed implements Follower.
func (t *TCP) Removed(s *lb.Server) {
	if t.Removal.ends() {
		t.tunnels.each(func(c carrier) { c.(*visit).removed(s) })
	}
}

// Added implements Follower.
func (h *HTTP) Added(s *lb.Server) {
	if h.Keeping.Warm > 0 && h.Backend != H2C && h.Backend != H2 {
		h.crew.do(func() { h.pool.warm(h.ctx, s.Address) })
	}
}

// Removed implements Follower. Of requests, their exchanges find out.
func (h *HTTP) Removed(s *lb.Server) {
	h.removals.Add(1)
	h.pool.forget(s.Address)
	h.trunks.forget(s.Address)
	if h.Removal.ends() {
		h.tunnels.each(func(c carrier) { c.(*tunnel).removed(s) })
	}
}

// lists tells whether the balancer has s, at the same address.
func (o *Options) lists(s *lb.Server) bool {
	stats, ok := o.Balancer.ServerStats(s.ID)
	return ok && stats.Server.Address == s.Address
}

// same tells whether they are one server: one that moved is another.
func same(a, b *lb.Server) bool { return a.ID == b.ID && a.Address == b.Address }

// removed has the relay end, if there is one and it goes to s.
func (v *visit) removed(s *lb.Server) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.relay != nil && same(v.server, s) {
		v.tcp.Removal.dismiss(v.relay)
	}
}

// removed has the tunnel end if it goes to s.
func (t *tunnel) removed(s *lb.Server) {
	if same(t.server, s) {
		t.removal.dismiss(t.relay)
	}
}

// departures is what an exchange knows of the servers that were removed since it
// began.
type departures struct {
	before  int64         // how many were removed until then
	settled int64         // of how many it is known that its own is not among them; guarded by the exchange's mu
	until   time.Duration // when it has to end as its own is; 0: it is not; guarded likewise
}

func (d *departures) beginLocked(removals int64) {
	*d = departures{before: removals, settled: removals}
}

// tidy closes the connection that the attempt was made on where it is of no more
// use: its server was removed meanwhile.
func (a *attempt) tidy() {
	if a.http.removals.Load() == a.left.before {
		return
	}
	if s := a.lease.Server(); !a.http.lists(s) {
		a.http.pool.forget(s.Address)
		a.http.trunks.forget(s.Address)
	}
}

// orphanedLocked tells that the server which the exchange waits for was removed,
// and that the grace is over.
func (x *exchange) orphanedLocked(now time.Duration) bool {
	a, d := &x.try, &x.left
	if x.won != nil {
		a = x.won
	}
	if !x.http.Removal.ends() || a.backend == nil { // without which the lease may be changing
		return false
	}
	removals := x.http.removals.Load()
	switch {
	case d.until == 0 && removals == d.settled:
		return false
	case x.http.lists(a.lease.Server()):
		d.until, d.settled = 0, removals
		return false
	case d.until == 0:
		d.until = now + x.http.Removal.Grace
	}
	return now >= d.until
}
