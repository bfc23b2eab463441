package lb

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Strategy decides how a pool is picked from. One value serves one Balancer;
// what it must remember beyond a pool, such as where a rotation stands, it
// keeps itself.
type Strategy interface {
	// Name is the word for it in configuration and status.
	Name() string
	// Prepare makes the picker of a pool that is never empty and never
	// changes. Candidates come sorted by ID. Prepare is called once for each
	// change, by one goroutine at a time.
	Prepare(pool []*Candidate) Picker
}

// Picker picks from one pool. It is called by many goroutines at once and
// must neither block nor allocate.
type Picker interface {
	// Pick returns the position of a candidate that q does not skip, or -1
	// when there is none.
	Pick(q Query) int
}

// Query is one selection under way.
type Query struct {
	Key   string // the client's key, "" for none
	tried []string
}

// Skip tells that c must not be picked: it is full, or was tried before.
func (q Query) Skip(c *Candidate) bool {
	if c.limit != 0 && c.member.active.Load() >= c.limit {
		return true
	}
	return len(q.tried) > 0 && slices.Contains(q.tried, c.server.ID)
}

// Candidate is a server as strategies see it.
type Candidate struct {
	server *Server
	member *member
	weight int64
	limit  int64
}

// Server is the server itself; it must not be changed.
func (c *Candidate) Server() *Server { return c.server }

// Weight is the weight in force, at least 1.
func (c *Candidate) Weight() int { return int(c.weight) }

// Active is the number of leases not yet released.
func (c *Candidate) Active() int { return int(c.member.active.Load()) }

// ResponseTime is the smoothed response time, 0 before the first answer.
func (c *Candidate) ResponseTime() time.Duration { return c.member.smoothed.load() }

// constructors are the strategies by name, in the order to show them.
var constructors = []struct {
	name string
	make func() Strategy
}{
	{"round_robin", RoundRobin},
	{"weighted_round_robin", WeightedRoundRobin},
	{"least_connections", LeastConnections},
	{"random", Random},
	{"ip_hash", IPHash},
	{"least_response_time", LeastResponseTime},
	{"consistent_hash", ConsistentHash},
	{"power_of_two", PowerOfTwo},
	{"least_request", LeastRequest},
	{"first", First},
}

// Names lists the strategies that ByName knows.
func Names() []string {
	names := make([]string, len(constructors))
	for i, c := range constructors {
		names[i] = c.name
	}
	return names
}

// ByName returns a new strategy of that name, or an error that lists the
// names there are.
func ByName(name string) (Strategy, error) {
	for _, c := range constructors {
		if c.name == name {
			return c.make(), nil
		}
	}
	return nil, fmt.Errorf("lb: no strategy %q; there are %s", name, strings.Join(Names(), ", "))
}

// scan returns the first candidate from start on, around the pool, that q
// does not skip, or -1.
func scan(pool []*Candidate, start int, q Query) int {
	for i := range pool {
		j := start + i
		if j >= len(pool) {
			j -= len(pool)
		}
		if !q.Skip(pool[j]) {
			return j
		}
	}
	return -1
}
