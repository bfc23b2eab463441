// Package catalog is a service catalog that answers HTTP like one Consul
// agent in -dev mode: server and client in one process, nothing on disk.
//
// It has three uses: the catalog of `outrigger agent -dev`, a light Consul for
// a laptop or a CI job, and the far end of this project's tests, faults
// included. What it answers was recorded from Consul 1.21.4 (testdata) and is
// replayed against it in the tests.
//
// A [Catalog] is an [http.Handler]; it opens no port itself:
//
//	c := catalog.New(catalog.Options{})
//	go c.Run(ctx) // checks and TTLs; leave it out and nothing is probed
//	http.ListenAndServe("127.0.0.1:8500", c)
//
// Reads, blocking queries, filters, ACLs and index rules are Consul's. Not
// here: key/value, sessions, Connect intentions and certificates, DNS, several
// servers or datacenters, and checks other than HTTP, TCP, gRPC and TTL. What
// is absent is refused, never ignored.
package catalog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// version is the Consul whose answers this package reproduces.
const version = "1.21.4"

// Options configure a Catalog. The zero value works.
type Options struct {
	// Node names the agent's own node; "" means "dev-node".
	Node string
	// Datacenter; "" means "dc1". Every other name is "No path to datacenter".
	Datacenter string
	// Address of the agent's own node, and of services that give none;
	// "" means 127.0.0.1.
	Address string
	// ACL turns access control on; nil leaves everything open.
	ACL *ACL
	// CheckUpdateInterval is how long a changed check output waits for the
	// catalog while the status stays the same, as check_update_interval does
	// in Consul: 0 means its default of 5 minutes, negative publishes at once.
	CheckUpdateInterval time.Duration
	// FaultControl serves the fault switches on /v1/dev/fault too. They need
	// no token: leave it off wherever strangers can connect.
	FaultControl bool
}

func (o Options) withDefaults() Options {
	if o.Node == "" {
		o.Node = "dev-node"
	}
	if o.Datacenter == "" {
		o.Datacenter = "dc1"
	}
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	if o.CheckUpdateInterval == 0 {
		o.CheckUpdateInterval = 5 * time.Minute
	}
	return o
}

// A Catalog holds the state and serves it. Its methods may be called
// concurrently.
type Catalog struct {
	opts   Options
	nodeID string
	faults *Faults
	served http.Handler // the faults in front of the routes

	mu      sync.Mutex // guards what follows
	store   *store
	checks  map[string]*localCheck // the agent's own, by check ID
	acl     *acls                  // nil when ACLs are off
	queries map[string]preparedQuery
	cached  map[string]bool // reads the agent would hold in its cache
	running *running        // nil unless Run is at work
	stopped chan struct{}   // closed when Run ends
}

// running is the life of one Run call: the owner of every check goroutine.
type running struct {
	ctx context.Context
	wg  sync.WaitGroup
}

// New returns a catalog that holds its own node, the service "consul" and the
// check serfHealth, as a fresh Consul does. It starts nothing.
func New(o Options) *Catalog {
	o = o.withDefaults()
	c := &Catalog{
		opts:    o,
		nodeID:  newUUID(),
		store:   newStore(),
		checks:  map[string]*localCheck{},
		queries: map[string]preparedQuery{},
		cached:  map[string]bool{},
		stopped: make(chan struct{}),
	}
	if o.ACL != nil {
		c.acl = newACLs(*o.ACL)
	}
	c.faults = newFaults(func() <-chan struct{} {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.stopped
	})
	c.served = c.faults.wrap(c.routes())
	c.registerSelf()
	return c
}

// Run runs the checks, expires TTLs and removes services that stay critical,
// until ctx ends; then every goroutine it started has ended, and requests that
// still block are answered 500. It returns nil, or an error if Run is at work
// already; it may be called again afterwards.
func (c *Catalog) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run := &running{ctx: ctx}
	c.mu.Lock()
	if c.running != nil {
		c.mu.Unlock()
		return errors.New("catalog: Run is at work already")
	}
	c.running = run
	select {
	case <-c.stopped:
		c.stopped = make(chan struct{})
	default:
	}
	for _, lc := range c.checks {
		c.start(lc)
	}
	c.mu.Unlock()

	c.reap(ctx)

	c.mu.Lock()
	c.running = nil // from here on nothing joins run.wg
	close(c.stopped)
	c.mu.Unlock()
	run.wg.Wait()
	return nil
}

// ServeHTTP answers one request. A blocking query ends when the request's
// context ends or when Run does.
func (c *Catalog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.served.ServeHTTP(w, r)
}

// Faults are the switches that make this catalog misbehave.
func (c *Catalog) Faults() *Faults { return c.faults }

// Restore does what restoring a snapshot does to Consul's readers: the data
// stays, every index restarts low, and every blocked query answers at once,
// its index notwithstanding.
func (c *Catalog) Restore() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store.restore()
}

// registerSelf puts the agent's own node into the catalog.
func (c *Catalog) registerSelf() {
	i := c.store.next()
	addresses := map[string]string{"lan": c.opts.Address, "wan": c.opts.Address}
	if f := family(c.opts.Address); f != "" {
		addresses["lan_"+f], addresses["wan_"+f] = c.opts.Address, c.opts.Address
	}
	c.store.putNode(i, node{
		ID: c.nodeID, Node: c.opts.Node, Address: c.opts.Address, Datacenter: c.opts.Datacenter,
		TaggedAddresses: addresses,
		Meta:            map[string]string{"consul-network-segment": "", "consul-version": version},
	})
	c.store.putService(i, c.opts.Node, service{
		ID: "consul", Service: "consul", Port: serverPort,
		Meta: map[string]string{"version": version},
	})
	c.store.putCheck(i, c.opts.Node, check{
		CheckID: "serfHealth", Name: "Serf Health Status", Status: passing, Output: "Agent alive and reachable",
	})
}

func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, says its documentation
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
