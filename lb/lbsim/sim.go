package main

import (
	"math/rand/v2"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// request is one request under way.
type request struct {
	arrived, begun, ends time.Duration
	demand               time.Duration // how long it takes a worker without trouble
	key                  string
	agent                int
	server               *server // nil until it is chosen
	measured, failed     bool
	lease                lb.Lease // where a balancer chose
}

// chooser chooses servers, for all agents.
type chooser interface {
	// choose returns r's server; nil when there is no room on any.
	choose(r *request) *server
	// answered says that r was answered.
	answered(r *request, now time.Duration)
	// joined says that a server can be chosen from now on.
	joined(s *server) error
}

// simulation is one run of a model under one strategy.
type simulation struct {
	model
	now      time.Duration // since the start
	all      []*server
	chooser  chooser
	agenda   agenda
	arrivals arrivals
	keyring  *keyring
	demands  *rand.Rand
	agent    *rand.Rand
	tally    *tally
	spare    []*request // to be used again
}

// The streams of chance. Each has one of its own, so that all strategies meet
// the same requests at the same times, with the same demands.
const (
	streamArrivals = iota
	streamDemands
	streamKeys
	streamAgents
	streamBalancers // and one for each agent from here
)

func (m model) chance(stream int) *rand.Rand { return rand.New(rand.NewPCG(m.seed, uint64(stream))) }

// simulate runs a model under a strategy.
func simulate(m model, strategy string) (result, error) {
	s, err := newSimulation(m, strategy)
	if err != nil {
		return result{}, err
	}
	if err := s.run(); err != nil {
		return result{}, err
	}
	return s.tally.result(s, strategy), nil
}

func newSimulation(m model, strategy string) (*simulation, error) {
	s := &simulation{
		model:    m,
		all:      m.build(),
		arrivals: arrivals{process: m.arrival, rate: m.rate(), chance: m.chance(streamArrivals)},
		keyring:  newKeyring(m.keys, m.chance(streamKeys)),
		demands:  m.chance(streamDemands),
		agent:    m.chance(streamAgents),
	}
	s.tally = newTally(s.all, m.requests-m.warmup)
	var err error
	if s.chooser, err = newChooser(strategy, s); err != nil {
		return nil, err
	}
	for _, server := range s.all {
		if server.joins > 0 {
			s.agenda.plan(event{at: server.joins, joins: server})
		} else if err := s.join(server); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// run makes all requests and waits until the last is answered.
func (s *simulation) run() error {
	arrival := s.arrivals.after(0)
	for made := 0; made < s.requests || s.agenda.next() != never; {
		if made < s.requests && arrival < s.agenda.next() {
			s.now = arrival
			if made == s.warmup {
				s.tally.begin(s.now)
			}
			s.arrive(made >= s.warmup)
			if made++; made == s.requests {
				s.tally.end(s.now)
			}
			arrival = s.arrivals.after(s.now)
			continue
		}
		e := s.agenda.pop()
		s.now = e.at
		if e.answer != nil {
			s.answer(e.answer)
		} else if err := s.join(e.joins); err != nil {
			return err
		}
	}
	return nil
}

// arrive has a request come and sends it to a server.
func (s *simulation) arrive(measured bool) {
	r := s.request()
	r.arrived, r.measured = s.now, measured
	r.demand = time.Duration(s.distribution.draw(s.demands) * float64(s.service))
	r.key = s.keyring.draw()
	r.agent = s.agent.IntN(s.agents)
	r.server = s.chooser.choose(r)
	s.tally.chosen(r)
	switch {
	case r.server == nil: // all are full
		r.failed = true
		s.tally.answered(r, s.now)
		s.spare = append(s.spare, r)
	case r.server.trouble.is(failing, s.now):
		r.failed = true
		r.server.active++
		s.agenda.plan(event{at: s.now + failure, answer: r})
	default:
		r.server.take(r)
		s.serve(r.server)
	}
}

// answer has r leave its server.
func (s *simulation) answer(r *request) {
	if r.failed {
		r.server.active--
	} else {
		r.server.end()
		s.serve(r.server)
	}
	s.chooser.answered(r, s.now)
	s.tally.answered(r, s.now)
	s.spare = append(s.spare, r)
}

// serve has idle workers begin with what waits.
func (s *simulation) serve(server *server) {
	if r := server.begin(s.now); r != nil {
		s.agenda.plan(event{at: r.ends, answer: r})
	}
}

func (s *simulation) join(server *server) error {
	s.tally.settle()
	server.present = true
	return s.chooser.joined(server)
}

// request is an empty one.
func (s *simulation) request() *request {
	last := len(s.spare) - 1
	if last < 0 {
		return new(request)
	}
	r := s.spare[last]
	s.spare = s.spare[:last]
	*r = request{}
	return r
}
