// Package backend is the server behind the proxies of the bench. It answers as
// fast as it can, so that it is not what is measured.
package backend

import (
	"context"
	"net"
	"sync"
)

// Addresses are where a backend listens.
type Addresses struct {
	HTTP string `json:"http"` // HTTP/1.1; GET /1024 is answered by 1024 bytes
	H2C  string `json:"h2c"`  // HTTP/2 without TLS, by prior knowledge, as gRPC speaks it
	TCP  string `json:"tcp"`  // exchanges as in wire.Ask
}

// Backend listens. Create it with Listen.
type Backend struct {
	http, h2c, tcp net.Listener

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil once it has ended
	wg    sync.WaitGroup
}

// Listen takes three free ports of this machine.
func Listen() (*Backend, error) {
	b := &Backend{conns: make(map[net.Conn]struct{})}
	for _, l := range []*net.Listener{&b.http, &b.h2c, &b.tcp} {
		var err error
		if *l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

// Addresses tells where it listens.
func (b *Backend) Addresses() Addresses {
	return Addresses{HTTP: b.http.Addr().String(), H2C: b.h2c.Addr().String(), TCP: b.tcp.Addr().String()}
}

// Serve answers until ctx ends, and returns when every connection is closed.
func (b *Backend) Serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, b.close)
	defer stop()
	b.wg.Go(func() { b.accept(b.http, serveHTTP) })
	b.wg.Go(func() { b.accept(b.h2c, serveH2C) })
	b.wg.Go(func() { b.accept(b.tcp, serveTCP) })
	b.wg.Wait()
}

func (b *Backend) accept(l net.Listener, serve func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // closed, or out of descriptors, which the clients notice
		}
		if !b.add(conn) {
			conn.Close()
			return
		}
		b.wg.Go(func() {
			defer b.remove(conn)
			serve(conn)
		})
	}
}

func (b *Backend) add(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns == nil {
		return false
	}
	b.conns[conn] = struct{}{}
	return true
}

func (b *Backend) remove(conn net.Conn) {
	conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, conn)
}

func (b *Backend) close() {
	for _, l := range []net.Listener{b.http, b.h2c, b.tcp} {
		if l != nil {
			l.Close()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		conn.Close()
	}
	b.conns = nil
}
