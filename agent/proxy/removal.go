package proxy

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// Removal says what becomes of TCP connections to a server that is not in the
// balancer any more. New ones do not go there in any case.
type Removal struct {
	Mode  RemovalMode   // "" is Keep
	Grace time.Duration // of Drain: how long they may go on
}

// RemovalMode is a way to treat them.
type RemovalMode string

// The ways there are.
const (
	Keep  RemovalMode = "keep"  // until they end
	Drain RemovalMode = "drain" // until they end, or the grace does and the server has not come back
	Close RemovalMode = "close" // at once
)

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
	if t.Removal.Mode == Drain || t.Removal.Mode == Close {
		t.tunnels.each(func(c carrier) { c.(*visit).removed(s) })
	}
}

// Added implements Follower.
func (h *HTTP) Added(s *lb.Server) {
	if h.Keeping.Warm > 0 && h.Backend != H2C && h.Backend != H2 {
		h.crew.do(func() { h.pool.warm(h.ctx, s.Address) })
	}
}

// Removed implements Follower. Requests under way go on.
func (h *HTTP) Removed(s *lb.Server) {
	h.pool.forget(s.Address)
	h.trunks.forget(s.Address)
}

// removed has the relay end, if there is one and it goes to s.
func (v *visit) removed(s *lb.Server) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.relay == nil || v.server.ID != s.ID || v.server.Address != s.Address {
		return
	}
	if v.tcp.Removal.Mode == Close {
		v.relay.fail(errDismissed)
		return
	}
	v.relay.dismiss(v.tcp.clock.Now() + v.tcp.Removal.Grace)
}

// lists tells whether the balancer has s, at the same address.
func (t *TCP) lists(s *lb.Server) bool {
	stats, ok := t.Balancer.ServerStats(s.ID)
	return ok && stats.Server.Address == s.Address
}
