package lb

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// rounds is what Run has a scheduler probe.
type rounds struct {
	scheduler *health.Scheduler
	all       map[probingKey]*probing
	round     int
}

// probing is one server's series of probes.
type probing struct {
	check  *health.Check
	target health.Target
	stop   func()
	round  int // the last one in which it was wanted
}

type probingKey struct {
	member *member
	reach  bool // it is Health.Reach, not Health.Check
}

// follow has all probed that should be, and nothing else. What replaces
// something is begun before that ends, so that a scheduler whom both ask for
// the same goes on with it.
func (p *rounds) follow(b *Balancer) {
	p.round++
	var begin []probingKey
	var end []func()
	want := func(key probingKey, check *health.Check) {
		target := health.Target{Address: key.member.spec.Address, Path: key.member.spec.HealthPath}
		is, ok := p.all[key]
		if ok && is.check == check && is.target == target {
			is.round = p.round
			return
		}
		if ok {
			end = append(end, is.stop)
		}
		p.all[key] = &probing{check: check, target: target, round: p.round}
		begin = append(begin, key)
	}
	b.mu.Lock()
	for _, m := range b.members {
		if b.health.Check != nil {
			want(probingKey{m, false}, b.health.Check)
		}
		if b.health.Reach != nil && (m.ejected() && m.outlier.unreachable || m.suspected.Load()) {
			want(probingKey{m, true}, b.health.Reach)
		}
	}
	b.mu.Unlock()
	for _, key := range begin {
		p.all[key].begin(b, p.scheduler, key)
	}
	for key, is := range p.all {
		if is.round != p.round {
			end = append(end, is.stop)
			delete(p.all, key)
		}
	}
	for _, stop := range end {
		stop()
	}
}

func (p *probing) begin(b *Balancer, s *health.Scheduler, key probingKey) {
	m := key.member
	f := health.Follower{Report: func(r health.Result) { b.reached(m, r) }}
	if !key.reach {
		f.Report = func(r health.Result) { b.probed(m, r) }
		f.Proof = func(within time.Duration) health.Proof { return b.proof(m, within) }
	}
	p.stop = s.Follow(*p.check, p.target, f)
}

// stop ends all probing.
func (p *rounds) stop() {
	for _, is := range p.all {
		is.stop()
	}
}
