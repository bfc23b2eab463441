// Package floor is what Go's standard library gives whoever needs a proxy
// today: httputil.ReverseProxy for HTTP/1.1 and h2c, and io.Copy for TCP. It is
// set up with care, for it is there to be compared with.
package floor

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/outrigger-sidecar/outrigger/bench/backend"
)

// Job says where to listen, and for which backends, who get requests in turn.
type Job struct {
	HTTP     []string            `json:"http"`
	H2C      string              `json:"h2c"`
	TCP      string              `json:"tcp"`
	Backends []backend.Addresses `json:"backends"`
}

// Serve carries requests until ctx ends. It fails where it cannot listen.
func Serve(ctx context.Context, job Job) error {
	f := floor{ctx: ctx}
	defer f.close()
	var http1, h2c []string
	for _, b := range job.Backends {
		http1, h2c, f.tcp = append(http1, b.HTTP), append(h2c, b.H2C), append(f.tcp, b.TCP)
	}
	for _, address := range job.HTTP {
		if err := f.listen(address, func(l net.Listener) { f.serve(l, proxy(http1, false), false) }); err != nil {
			return err
		}
	}
	if err := f.listen(job.H2C, func(l net.Listener) { f.serve(l, proxy(h2c, true), true) }); err != nil {
		return err
	}
	if err := f.listen(job.TCP, f.accept); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

type floor struct {
	ctx       context.Context
	listeners []net.Listener
	tcp       []string // backends
	turn      atomic.Uint64
	wg        sync.WaitGroup
}

func (f *floor) listen(address string, serve func(net.Listener)) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	f.listeners = append(f.listeners, l)
	f.wg.Go(func() { serve(l) })
	return nil
}

func (f *floor) close() {
	for _, l := range f.listeners {
		l.Close()
	}
	f.wg.Wait()
}

func (f *floor) serve(l net.Listener, p *httputil.ReverseProxy, h2c bool) {
	s := &http.Server{Handler: p, Protocols: protocols(h2c), ErrorLog: p.ErrorLog} //nolint:gosec // G112: the clients are of the bench
	stop := context.AfterFunc(f.ctx, func() { s.Close() })
	defer stop()
	_ = s.Serve(l)
	p.Transport.(*http.Transport).CloseIdleConnections()
}

func proxy(backends []string, h2c bool) *httputil.ReverseProxy {
	var turn atomic.Uint64
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			next := backends[turn.Add(1)%uint64(len(backends))]
			r.SetURL(&url.URL{Scheme: "http", Host: next})
		},
		Transport:  &http.Transport{Protocols: protocols(h2c), MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: new(buffers),
		ErrorLog:   log.New(io.Discard, "", 0),
	}
}

func protocols(h2c bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(!h2c)
	p.SetUnencryptedHTTP2(h2c)
	return p
}

// buffers are for bodies.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }

func (f *floor) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		f.wg.Go(func() { f.carry(conn.(*net.TCPConn)) })
	}
}

// carry connects to a backend, and copies both ways until both have ended.
func (f *floor) carry(app *net.TCPConn) {
	defer app.Close()
	conn, err := net.Dial("tcp", f.tcp[f.turn.Add(1)%uint64(len(f.tcp))])
	if err != nil {
		return
	}
	backend := conn.(*net.TCPConn)
	defer backend.Close()
	stop := context.AfterFunc(f.ctx, func() {
		app.Close()
		backend.Close()
	})
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { relay(backend, app) })
	relay(app, backend)
	wg.Wait()
}

func relay(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil && !errors.Is(err, net.ErrClosed) {
		from.Close()
	}
	_ = to.CloseWrite()
}
