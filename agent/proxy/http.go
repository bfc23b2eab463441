package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// HTTP serves an upstream over HTTP/1.1 and, by prior knowledge, HTTP/2 on one
// port. Create it with NewHTTP.
type HTTP struct {
	Options
	server   *http.Server
	http1    *http.Transport
	http2    *http.Transport
	key      func(*http.Request) string
	budget   *budget
	inFlight atomic.Int64
	draining atomic.Bool
	tunnels  *tunnels
	open     connections
}

// NewHTTP makes a server. It starts nothing.
func NewHTTP(o Options) *HTTP {
	h := &HTTP{
		Options: o,
		http1:   newTransport(o, false),
		http2:   newTransport(o, true),
		key:     keyOf(o.HashOn),
		budget:  newBudget(o.Retry),
		tunnels: newTunnels(),
		open:    connections{quiet: make(chan struct{}, 1)},
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	h.server = &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: o.Timeouts.Header,
		IdleTimeout:       o.Timeouts.KeepAlive,
		MaxHeaderBytes:    o.Limits.MaxHeaderBytes,
		ErrorLog:          o.ErrorLog,
		ConnState:         h.connState,
	}
	return h
}

// Serve implements Server.
func (h *HTTP) Serve(l net.Listener) error {
	if limit := h.Limits.MaxConnections; limit > 0 {
		l = netutil.LimitListener(l, limit)
	}
	err := h.server.Serve(rejecting{l, h.Upstream})
	if err == http.ErrServerClosed || isClosed(err) {
		return nil
	}
	return fmt.Errorf("upstream %q: %w", h.Upstream, err)
}

// linger is how long connections without a request under way stay open once
// a drain began. A request that is on its way meanwhile is answered, with word
// that the connection ends; a connection closed at once would lose it.
const linger = time.Second

// Drain implements Server.
func (h *HTTP) Drain(ctx context.Context) {
	h.draining.Store(true)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for waiting := h.open.count.Load() > 0; waiting; {
		select {
		case <-h.open.quiet:
			waiting = h.open.count.Load() > 0
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	if err := h.server.Shutdown(ctx); err != nil {
		_ = h.server.Close()
	}
	h.tunnels.drain(ctx)
	h.http1.CloseIdleConnections()
	h.http2.CloseIdleConnections()
}

// connections counts those from the app.
type connections struct {
	count atomic.Int64
	quiet chan struct{} // gets a word when count falls to 0
}

func (h *HTTP) connState(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		h.open.count.Add(1)
		h.Meter.Connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		h.Meter.Connections.Add(-1)
		if h.open.count.Add(-1) == 0 {
			select {
			case h.open.quiet <- struct{}{}:
			default:
			}
		}
	}
}

// ServeHTTP carries one request.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.Meter.Active.Add(1)
	x := &exchange{http: h, w: w, r: r, start: time.Now(), result: Result{GRPC: -1}}
	x.trace = h.Observer.Begin(r)
	defer x.end()
	if h.draining.Load() {
		w.Header().Set("Connection", "close") // on HTTP/2 this sends GOAWAY
	}
	if n := h.inFlight.Add(1); h.Limits.MaxRequests > 0 && n > int64(h.Limits.MaxRequests) {
		h.inFlight.Add(-1)
		x.refuse(&failure{kind: AtCapacity, err: fmt.Errorf("max_requests = %d are in flight", h.Limits.MaxRequests)})
		return
	}
	defer h.inFlight.Add(-1)
	if f := unacceptable(r); f != nil {
		x.refuse(f)
		return
	}
	h.budget.deposit()
	x.forward()
}

// unacceptable says what is wrong with a request that no backend must see.
func unacceptable(r *http.Request) *failure {
	bad := func(status int, format string, args ...any) *failure {
		return &failure{kind: BadRequest, status: status, err: fmt.Errorf(format, args...)}
	}
	switch {
	case r.Method == http.MethodConnect:
		return bad(http.StatusMethodNotAllowed, "CONNECT is not for this proxy: it reaches one upstream, at this address")
	case len(r.Header["Transfer-Encoding"]) > 0:
		return bad(http.StatusNotImplemented, "unknown transfer coding")
	}
	return nil
}
