package lb

import (
	"slices"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// put adds a copy of s, or updates the member of its ID. One that moved to
// another address is another server: its numbers must not be mixed with the old
// one's.
func (b *Balancer) put(s *Server) {
	m, ok := b.members[s.ID]
	if ok && m.spec.equal(s) {
		return
	}
	own := *s
	s = &own
	if ok && m.spec.Address == s.Address {
		m.spec = s
		return
	}
	if ok {
		b.drop(m)
	}
	back := func(m *member) bool { return m.spec.ID == s.ID && m.spec.Address == s.Address }
	if i := slices.IndexFunc(b.leaving, back); i >= 0 {
		m = b.leaving[i]
		b.leaving = slices.Delete(b.leaving, i, i+1)
		m.spec, m.left, m.flaps.known = s, time.Time{}, false
		m.probe = health.Result{} // the port may have been reused meanwhile
	} else {
		m = b.newMember(s)
	}
	b.members[s.ID] = m
}

func (b *Balancer) newMember(s *Server) *member {
	// A new server stands anywhere in a rotation, or all who learn of it at
	// one moment would send it their next request.
	lag := float64(b.random()>>11)/(1<<53) - 0.5
	return &member{spec: s, load: b.loads.next(), lag: lag, token: hashString(s.ID)}
}

func (b *Balancer) drop(m *member) {
	gone := *m.spec
	gone.Declared = health.Declaration{Status: health.Absent}
	m.spec, m.left, m.place = &gone, b.clock.now(), Place{}
	delete(b.members, gone.ID)
	b.leaving = append(b.leaving, m)
}

// remember is how long a removed server is kept in mind, so that one which
// comes back soon keeps its numbers, and people see where it went.
const remember = 30 * time.Second

// forget drops the removed servers that are idle and long gone.
func (b *Balancer) forgetLeft(now time.Time) {
	b.leaving = slices.DeleteFunc(b.leaving, func(m *member) bool {
		return now.Sub(m.left) >= remember && m.load.out() == 0
	})
}
