package proxy

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// admission decides which requests of an upstream are taken on. Each thing that
// it minds is a concept of its own; here they are put in order: first what
// protects this process, then what protects the backends, and last what a
// request uses up by being let in.
type admission struct {
	most     int64 // in flight; 0: any number
	inFlight atomic.Int64
	memory   *Memory
	adaptive *adaptive
	rate     *rate
	breaker  *breaker
}

func newAdmission(o Options) *admission {
	return &admission{
		most: int64(o.Limits.MaxRequests), memory: o.Memory,
		adaptive: newAdaptive(o.Limits.Adaptive, o.Meter),
		rate:     newRate(o.Limits.Rate),
		breaker:  newBreaker(o.Limits.Breaker, o.Meter, o.OnCircuit),
	}
}

// admit lets a request in, or says why it must not go on. One that is let in
// has to leave.
func (a *admission) admit(p *pass, now time.Duration) *failure {
	*p = pass{}
	n := a.inFlight.Add(1)
	f := a.refuse(p, n, now)
	if f != nil {
		a.inFlight.Add(-1)
		return f
	}
	p.admitted, p.beside = true, n
	return nil
}

func (a *admission) refuse(p *pass, n int64, now time.Duration) *failure {
	switch {
	case a.memory.look() == short:
		return memoryShort
	case a.most > 0 && n > a.most:
		return &failure{kind: RequestLimit, err: fmt.Errorf("max_requests = %d are in flight", a.most)}
	case a.adaptive != nil && !a.adaptive.allows(n):
		return &failure{kind: ConcurrencyLimit}
	}
	if a.rate != nil {
		if wait, ok := a.rate.take(now); !ok {
			return &failure{kind: RateLimited, retryAfter: wait}
		}
	}
	if a.breaker != nil {
		trial, wait, ok := a.breaker.allow(now)
		if !ok {
			return &failure{kind: CircuitBroken, retryAfter: wait}
		}
		p.trial = trial
	}
	return nil
}

var memoryShort = &failure{kind: MemoryShort, err: errors.New("the process is near its memory limit"), blameless: true}

// ending tells whether connections from the app are to end with their next
// answer, which gives back what they hold.
func (a *admission) ending() bool { return a.memory.look() != ample }

// partial refuses the part of a head that has come, where there is no memory
// to wait for the rest.
func (a *admission) partial() *failure {
	if a.memory.look() == short {
		return memoryShort
	}
	return nil
}

// pass is what a request that was let in holds. The zero value is of one that
// was not.
type pass struct {
	admitted bool
	beside   int64  // requests in flight when it came, it included
	trial    uint32 // of the breaker; 0: none
	excused  bool   // it failed, and no backend is to blame
}

// excuse notes why the request fails. A request that took too long as a whole
// is the backends' fault unless the client was slow itself.
func (p *pass) excuse(f *failure, sent bool) {
	p.excused = f.blameless && !(f.kind == RequestTimeout && sent)
}

// leave is the end of a request: how it went, and how long it was until the
// answer's head; 0: there was none.
func (a *admission) leave(p *pass, r Result, now, took, all time.Duration) {
	if !p.admitted {
		return
	}
	a.inFlight.Add(-1)
	v := judged(r, p.excused)
	if a.breaker != nil {
		a.breaker.record(now, v, p.trial)
	}
	if a.adaptive == nil {
		return
	}
	switch kind := Kind(r.Error); {
	case v == good && took > 0:
		a.adaptive.observe(now, took, p.beside)
	case kind == FirstByteTimeout || kind == RequestTimeout && v == bad:
		a.adaptive.observe(now, all, p.beside)
	}
}
