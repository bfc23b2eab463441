// Package dev is what `agent -dev` adds to the agent: a catalog in this
// process and three backends that register in it. The agent reaches both over
// the network, as it would a real Consul and real services.
package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
)

// service is what the demo backends register as.
const service = "web"

// Demo is a catalog and its backends at work. Create it with Start.
type Demo struct {
	Address  string // of the catalog
	Moved    bool   // the wished address was taken
	backends []*backend
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// Start starts the catalog at address, or where that is taken at a free port,
// and the backends, and returns once the catalog says that they are healthy.
// The demo goes on until Stop.
func Start(ctx context.Context, address string) (*Demo, error) {
	d := &Demo{}
	running, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	if err := d.start(ctx, running, address); err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

func (d *Demo) start(ctx, running context.Context, address string) error {
	options := CatalogOptions{Faults: true}
	catalog, err := NewCatalog(address, options)
	if errors.Is(err, syscall.EADDRINUSE) {
		d.Moved = true
		host, _, _ := net.SplitHostPort(address)
		catalog, err = NewCatalog(net.JoinHostPort(host, "0"), options)
	}
	if err != nil {
		return err
	}
	d.Address = catalog.Address
	d.wg.Go(func() { _ = catalog.Run(running) })

	client, err := consul.New(consul.Config{Address: d.Address})
	if err != nil {
		return err
	}
	defer client.Close()
	for i, c := range characters() {
		b, err := newBackend(fmt.Sprintf("%s-%d", service, i+1), c)
		if err != nil {
			return err
		}
		d.backends = append(d.backends, b)
		d.wg.Go(func() { b.run(running) })
		if err := client.Register(ctx, b.registration()); err != nil {
			return err
		}
	}
	return d.settle(ctx, client)
}

// settle waits until every backend is healthy in the catalog, so that the
// agent's first look finds them so. The filter's != would already be true of an
// instance when any of its checks, such as its node's, is not critical.
func (d *Demo) settle(ctx context.Context, client *consul.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	source, index := client.Source(consul.Query{Service: service, Filter: `not Checks.Status == "critical"`}), uint64(0)
	for {
		s, err := source.Fetch(ctx, index)
		if err != nil {
			return fmt.Errorf("the demo backends do not become healthy: %w", err)
		}
		if len(s.Instances) == len(d.backends) {
			return nil
		}
		index = s.Index
	}
}

// Stop ends everything that Start started.
func (d *Demo) Stop() {
	d.cancel()
	d.wg.Wait()
}

// Config is the agent's configuration for the demo.
func Config() (config.Config, config.Diagnostics) {
	return config.Parse("dev.hcl", []byte(demoConfig))
}

// demoConfig checks often, so that one sees backends leave and come back.
const demoConfig = `
agent { name = "demo" }
upstream "web" {
  listen = "127.0.0.1:9101"
  consul { service = "web" }
  health {
    check "http" { interval = "1s" }
  }
}
`
