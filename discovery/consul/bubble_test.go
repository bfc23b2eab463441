package consul

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
)

// pipes are a network within a bubble of virtual time: HTTP as it is, over
// connections that time can be told to wait for.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// bubbled is a client of a Consul within the bubble of the test.
func bubbled(t *testing.T, handler http.Handler) *Client {
	t.Helper()
	client, err := New(Config{Address: "consul.test:8500"})
	if err != nil {
		t.Fatal(err)
	}
	network := newPipes()
	transport := client.road.current.Load()
	transport.DialContext, transport.Proxy = network.dial, nil
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(network)
	}()
	t.Cleanup(func() {
		client.Close()
		_ = server.Close()
		<-ended
	})
	return client
}
