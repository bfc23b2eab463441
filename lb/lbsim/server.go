package main

import (
	"time"
)

// server serves requests in the order in which they come, as many at once as
// it has workers.
type server struct {
	id      string
	weight  int
	workers int
	trouble trouble
	joins   time.Duration // when it comes into being; 0: it is there from the start
	present bool          // balancers know it

	active  int        // requests that wait or are served
	serving int        // of those, that are served
	waiting []*request // the others, in order, from next on
	next    int
}

// failure is how long a failing server takes to say so.
const failure = time.Millisecond

// capacity is how many requests it can serve in a second in the long run, with
// the trouble that never ends taken off.
func (s *server) capacity(service time.Duration) float64 {
	full := float64(s.workers) / service.Seconds()
	if !s.trouble.forever() {
		return full
	}
	switch s.trouble.kind {
	case slow:
		return full / s.trouble.factor
	case failing:
		return 0
	}
	return full
}

// take has r wait for its turn.
func (s *server) take(r *request) {
	s.active++
	s.waiting = append(s.waiting, r)
}

// begin gives the next request to an idle worker; nil when there is none of
// either. Its begun and ends are set.
func (s *server) begin(now time.Duration) *request {
	if s.serving == s.workers || s.next == len(s.waiting) {
		return nil
	}
	r := s.waiting[s.next]
	s.waiting[s.next] = nil
	s.next++
	if s.next == len(s.waiting) {
		s.waiting, s.next = s.waiting[:0], 0
	} else if s.next > 1024 && s.next > len(s.waiting)/2 { // the past must not pile up
		n := copy(s.waiting, s.waiting[s.next:])
		s.waiting, s.next = s.waiting[:n], 0
	}
	s.serving++
	r.begun = now
	r.ends = s.trouble.end(now, r.demand)
	return r
}

// end frees the worker of a request that was served.
func (s *server) end() {
	s.serving--
	s.active--
}

// expect is how long a request that comes now can expect to be here: the
// service of what is ahead of it, divided among the workers, and its own.
// Failing servers are passed over by who asks.
func (s *server) expect(now, service time.Duration) time.Duration {
	ahead := float64(max(0, s.active+1-s.workers)) / float64(s.workers)
	each := float64(service) * s.trouble.slowness(now)
	return s.trouble.stall(now) + time.Duration(each*(1+ahead))
}
