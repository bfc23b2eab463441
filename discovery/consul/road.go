package consul

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
)

const tokenHeader = "X-Consul-Token" //nolint:gosec // G101: the name of a header

// noToken is what the library is told to send, and the road never lets pass.
const noToken = "-"

// road is how requests reach Consul: each with the token of the moment, its
// answer bounded, over a transport that is made anew when the files of TLS
// change.
type road struct {
	token   func() (string, error)
	build   func() (*http.Transport, error)
	limit   int64 // of an answer, in bytes
	current atomic.Pointer[http.Transport]

	mu  sync.Mutex
	old *http.Transport // the one before, which may be in use still
}

// RoundTrip makes one request.
func (r *road) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := r.token()
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	req = req.Clone(req.Context()) // who sends a request may not change it
	req.Header.Del(tokenHeader)
	if token != "" {
		req.Header.Set(tokenHeader, token)
	}
	resp, err := r.current.Load().RoundTrip(req)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, r.limit, r.limit}
		intercept(req, resp)
	}
	return resp, err
}

// rebuild makes a transport of what the files of TLS hold now. Where that is of
// no use the one before stays.
func (r *road) rebuild() error {
	next, err := r.build()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	r.old = r.current.Swap(next)
	r.forget()
	return nil
}

// forget closes what the transport before keeps open; the caller holds r.mu.
// Its last requests may end later than it was replaced.
func (r *road) forget() {
	if r.old != nil {
		r.old.CloseIdleConnections()
	}
}

func (r *road) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	r.current.Load().CloseIdleConnections()
}

// transportOf makes a transport; a socket's path replaces all addresses.
func transportOf(socket string, tls api.TLSConfig) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment, // which leaves out loopback
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		// Each watch keeps its connection busy, and all come back for another
		// query within moments. What is beyond that is soon closed: two of them
		// that look for a connection may open one too many.
		IdleConnTimeout:     5 * time.Second,
		MaxIdleConnsPerHost: Watches + 8,
		MaxConnsPerHost:     Watches + 8,
	}
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	if _, err := api.NewHttpClient(t, tls); err != nil { // which sets t up for TLS
		return nil, err
	}
	return t, nil
}

// boundedBody cuts off an answer that is too large to be true.
type boundedBody struct {
	io.ReadCloser
	left, limit int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is larger than %d bytes", b.limit)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
