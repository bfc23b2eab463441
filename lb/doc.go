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
// rebuilds the pool under one mutex and swaps it in. The numbers of a server
// (requests in flight, response times) belong to the server, not to the pool:
// they survive every rebuild, and a lease outlives the removal of its server.
//
// # Health
//
// Which servers may be picked is decided in package lb/health, from what a
// registry declares (Server.Declared), from periodic probes (Health.Check,
// made while Run runs, with a prober of package lb/probe or your own) and from
// failed requests (Health.Ejection).
//
// The package imports only the standard library, and of that nothing that
// needs a network.
package lb
