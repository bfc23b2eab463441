// Package lb balances requests over servers.
//
// A Balancer holds servers and a Strategy. Select chooses a server and
// reserves a place on it; the Lease it returns takes the outcome (Record or
// Fail) and gives the place back (Release):
//
//	b := lb.New(lb.LeastConnections())
//	_ = b.Add(lb.Server{ID: "a", Address: "10.0.0.1:8080"})
//	_ = b.Add(lb.Server{ID: "b", Address: "10.0.0.2:8080", Weight: 2})
//
//	lease, err := b.Select(clientIP)
//	if err != nil {
//		return err // ErrNoServers, ErrNoHealthy or ErrNoCapacity
//	}
//	defer lease.Release()
//	start := time.Now()
//	if err := call(lease.Server().Address); err != nil {
//		lease.Fail(err)
//		return err
//	}
//	lease.Record(time.Since(start))
//
// # How it works
//
// Everything a selection needs is in one immutable pool behind an atomic
// pointer, so Select takes no lock and allocates nothing. Every change — of
// servers, of what a registry declares, of probes, ejections, the strategy —
// rebuilds the pool under one mutex and swaps it in. What a server has (leases
// out, response times, its place in the rotation, its age) belongs to the
// server, not to the pool: it survives every rebuild and a change of strategy,
// and a lease outlives the removal of its server.
//
// # Choosing a strategy
//
// Every strategy honours weights. RoundRobin is exact and blind to load: right
// for servers alike and requests alike. LeastConnections sees load, and with
// it servers that are slow. LeastResponseTime also sees how slow, and servers
// that fail fast: it is the one to take where nothing is known, and close to
// what one could do who knows everything (lb/lbsim shows it). PowerOfTwo,
// Envoy's LeastRequest, is the cheap way to see load in very large pools.
// ConsistentHash and IPHash keep a key at one server. First fills one server
// before it turns to the next. Random needs nothing shared at all.
//
// SetShadow has a second strategy asked but not obeyed, and Stats tells what
// it would have done: try a strategy on real traffic before it matters.
//
// # Around the strategy
//
// Placement decides whom the strategy chooses among. Servers stand in tiers, by
// priority and by zone, and traffic spills over to the next tier as one loses
// servers; a new server can start slowly; a client of a very large service can
// use a subset. MaxConnections is a hard limit; with a Queue callers of Acquire
// wait for a place instead of failing. A Lease's Token brings a session back
// to its server by Query.Prefer. SetDraining takes a server out by hand.
//
// # Health
//
// Which servers may be picked is decided in package lb/health, from what a
// registry declares (Server.Declared), from periodic probes (Health.Check,
// made while Run runs, with a prober of package lb/probe or your own) and from
// failed requests (Health.Ejection). Health.Policy says who is believed where
// they disagree, Health.Damping keeps out servers that flap, and Explain tells
// what led to each verdict and what would change it. Balancers that share a
// Scheduler (WithScheduler) share a budget of probes, and probe a server once
// for all of them.
//
// # A strategy of your own
//
// Implement Strategy and Picker. A picker is made anew for each pool, sees the
// candidates that may be picked, and must leave out those that Query.Skip says
// to; see the example of Strategy.
//
// The package imports only the standard library, and of that nothing that
// needs a network.
package lb
