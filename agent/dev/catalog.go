package dev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// Catalog is a light Consul at an address of its own: the demo's, and that of
// `outrigger dev-catalog`. Create it with NewCatalog, run it once with Run.
type Catalog struct {
	Address  string
	options  CatalogOptions
	secret   string // of the token that was made up; "" where none was
	listener net.Listener
	store    *catalog.Catalog
	server   *http.Server
}

// CatalogOptions say what kind of Consul it is. The zero value is open to all
// who can connect.
type CatalogOptions struct {
	Faults bool   // can be told to misbehave, by anybody, on /v1/dev/fault
	Policy string // what access control does by default, "allow" or "deny"; "" leaves it off
	Token  string // with a Policy: the token that may do everything; "" makes one up, which Describe shows
	// Answered is told of every request that was answered; nil tells nobody.
	Answered func(method, path string, status int)
}

// NewCatalog binds the address, so that one that is taken is known at once. It
// starts nothing.
func NewCatalog(address string, o CatalogOptions) (*Catalog, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // the rest repeats the address
		}
		return nil, fmt.Errorf("the catalog cannot listen on %s: %w", address, err)
	}
	c := &Catalog{Address: l.Addr().String(), options: o, listener: l}
	// Outputs of checks are published at once: who tries things out is watching.
	options := catalog.Options{FaultControl: o.Faults, CheckUpdateInterval: -1}
	if o.Policy != "" {
		if o.Token == "" {
			c.secret = rand.Text()
			o.Token = c.secret
		}
		options.ACL = &catalog.ACL{DefaultPolicy: o.Policy, InitialManagement: o.Token}
	}
	c.store = catalog.New(options)
	var handler http.Handler = c.store
	if o.Answered != nil {
		handler = overheard{handler, o.Answered}
	}
	c.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return c, nil
}

// Run serves until ctx ends and then returns nil, or why it cannot go on.
func (c *Catalog) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = c.store.Run(ctx) }) // whose end answers those who wait for a change
	wg.Go(func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if c.server.Shutdown(last) != nil {
			_ = c.server.Close()
		}
	})
	err := c.server.Serve(c.listener)
	cancel()
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// overheard tells how each request was answered.
type overheard struct {
	http.Handler
	tell func(method, path string, status int)
}

func (o overheard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &answer{ResponseWriter: w, status: http.StatusOK}
	o.Handler.ServeHTTP(answer, r)
	o.tell(r.Method, r.URL.Path, answer.status)
}

type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}
