package lb

import (
	"fmt"
	"slices"
	"strings"
)

// Strategy decides how a pool is picked from. One value serves one Balancer.
type Strategy interface {
	// Name is the word for it in configuration and status.
	Name() string
	// Prepare makes the picker of a pool. It is called once for each change of
	// the pool, by one goroutine at a time.
	Prepare(r Roster) Picker
}

// Picker picks from one pool. It is called by many goroutines at once and
// must neither block nor allocate.
type Picker interface {
	// Pick returns the position of a candidate that q does not skip, or -1
	// when there is none.
	Pick(q Query) int
}

// Roster is what a picker is made from.
type Roster struct {
	// Candidates are never none and never change. They come sorted by ID.
	Candidates []*Candidate
	// Last is the picker in force until now, maybe of another strategy; nil
	// for the first. It goes on being used until the new one takes over.
	Last Picker
	// Random gives random bits. It may be called from any goroutine.
	Random func() uint64

	clock clock
}

// Query is one selection under way.
type Query struct {
	Key    string   // of the client, or of what is asked for; "" for none
	Tried  []string // IDs of servers to leave out, for a retry elsewhere
	Prefer uint64   // a Lease.Token: the server to take if it can be; 0 for none
}

// Skip tells that c must not be picked: it is full, or was tried before.
func (q *Query) Skip(c *Candidate) bool {
	if c.limit != 0 && c.load.out() >= c.limit {
		return true
	}
	return len(q.Tried) > 0 && slices.Contains(q.Tried, c.server.ID)
}

// constructors are the strategies by name, in the order to show them.
var constructors = []struct {
	name string
	make func(...HashOption) Strategy
}{
	{"round_robin", plain(RoundRobin)},
	{"weighted_round_robin", plain(WeightedRoundRobin)},
	{"least_connections", plain(LeastConnections)},
	{"random", plain(Random)},
	{"ip_hash", IPHash},
	{"least_response_time", plain(LeastResponseTime)},
	{"consistent_hash", ConsistentHash},
	{"power_of_two", plain(PowerOfTwo)},
	{"least_request", plain(LeastRequest)},
	{"first", plain(First)},
}

// Names lists the strategies that ByName knows.
func Names() []string {
	names := make([]string, len(constructors))
	for i, c := range constructors {
		names[i] = c.name
	}
	return names
}

// plain makes a constructor of one that knows nothing of hashing.
func plain(one func() Strategy) func(...HashOption) Strategy {
	return func(...HashOption) Strategy { return one() }
}

// ByName returns a new strategy of that name, or an error that lists the names
// there are. The options are for the hashing ones; others pass them over.
func ByName(name string, options ...HashOption) (Strategy, error) {
	for _, c := range constructors {
		if c.name == name {
			return c.make(options...), nil
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
