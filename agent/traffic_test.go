package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// backendServer answers with its name, and can be stopped and started again at
// the same address.
type backendServer struct {
	name, address string
	server        *http.Server
	answered      atomic.Int64 // since it was started
}

func startBackend(t testing.TB, name string) *backendServer {
	t.Helper()
	b := &backendServer{name: name, address: "127.0.0.1:0"}
	b.start(t)
	t.Cleanup(b.kill)
	return b
}

func (b *backendServer) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	b.address = l.Addr().String()
	b.answered.Store(0)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, b.name)
		b.answered.Add(1)
	})}
	b.server = server
	go func() { _ = server.Serve(l) }()
}

// kill closes the listener and all connections, whatever goes on there.
func (b *backendServer) kill() { _ = b.server.Close() }

// shutDown lets requests in flight finish.
func (b *backendServer) shutDown() { _ = b.server.Shutdown(context.Background()) }

// load is an app that keeps calling, 400 times a second or as often as it can.
type load struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	answered int
	failures []string
}

// startLoad calls all urls in turns, by methods in turns.
func startLoad(urls []string, methods ...string) *load {
	l := &load{stop: make(chan struct{})}
	const clients = 4
	for c := range clients {
		l.wg.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 2}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for n := c; ; n += clients {
				select {
				case <-l.stop:
					return
				case <-ticker.C:
				}
				l.note(call(client, methods[n/len(urls)%len(methods)], urls[n%len(urls)]))
			}
		})
	}
	return l
}

func call(client *http.Client, method, url string) error {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("an order")
	}
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s %s", method, url, resp.Status, text)
	}
	return err
}

func (l *load) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, err.Error())
		return
	}
	l.answered++
}

// forgive takes out failures that say all of this, and counts them.
func (l *load) forgive(all ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = slices.DeleteFunc(l.failures, func(failure string) bool {
		for _, part := range all {
			if !strings.Contains(failure, part) {
				return false
			}
		}
		n++
		return true
	})
	return n
}

// end stops the load, none of which may have failed.
func (l *load) end(t *testing.T, least int) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	if n := len(l.failures); n > 0 || l.answered < least {
		t.Errorf("%d of %d requests failed: %q", n, n+l.answered, l.failures[:min(n, 3)])
	}
}

// requests are those that a server saw.
type requests struct {
	mu   sync.Mutex
	at   map[string][]time.Time // by path
	open map[net.Conn]bool
}

func (r *requests) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		if r.at == nil {
			r.at = make(map[string][]time.Time)
		}
		r.at[req.URL.Path] = append(r.at[req.URL.Path], time.Now())
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

func (r *requests) connection(c net.Conn, s http.ConnState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch s {
	case http.StateNew:
		if r.open == nil {
			r.open = make(map[net.Conn]bool)
		}
		r.open[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(r.open, c)
	}
}

// to is how many there were to a path.
func (r *requests) to(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.at[path])
}

// since is how many there were below a path from a moment on.
func (r *requests) since(path string, from time.Time) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p, all := range r.at {
		for _, at := range all {
			if strings.HasPrefix(p, path) && at.After(from) {
				n++
			}
		}
	}
	return n
}

func (r *requests) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// slowly tells whether times say nothing: the race detector is on, or others use
// the machine too much, as far as it tells.
func slowly() bool {
	var load float64
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return raceDetector
	}
	_, _ = fmt.Sscan(string(raw), &load)
	return raceDetector || load > 3*float64(runtime.NumCPU())
}
