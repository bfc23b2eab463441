package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func TestMain(m *testing.M) {
	// After a 431 net/http sleeps half a second before it hangs up.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// defaults are options as the agent's configuration has them.
func defaults() Options {
	return Options{
		Upstream: "web",
		Observer: Unobserved{},
		Meter:    new(Meter),
		ErrorLog: log.New(io.Discard, "", 0),
		Backend:  Auto,
		Retry:    Retry{Max: 2, BudgetPercent: 20, BudgetPerSecond: 10},
		Timeouts: Timeouts{Connect: time.Second, FirstByte: 10 * time.Second, Idle: 10 * time.Second, Tunnel: 10 * time.Second, Header: 10 * time.Second, KeepAlive: time.Minute},
		Limits:   Limits{MaxHeaderBytes: 64 << 10},
	}
}

// front is a proxy under test.
type front struct {
	Options
	address  string
	listener net.Listener
	server   Server
	stopped  bool
	served   chan error
}

// start serves o before backends until the test ends. Without backends there
// are none. The strategy is "first come", so that tests know who is asked: the
// backends in the order given.
func start(t testing.TB, o Options, serve func(Options) Server, backends ...string) *front {
	t.Helper()
	if o.Balancer == nil {
		o.Balancer = lb.New(inOrder{}, lb.WithHealth(lb.Health{Ejection: health.Ejection{}}))
	}
	if len(backends) > 0 {
		for i, address := range backends {
			if err := o.Balancer.Add(lb.Server{ID: fmt.Sprint(i), Address: address}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if o.Loops == nil && os.Getenv("OUTRIGGER_TEST_GOROUTINES") == "" {
		loops, err := socket.NewLoops(1)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(loops.Close)
		o.Loops = loops
	}
	held, err := socket.NewListener(listen(t))
	if err != nil {
		t.Fatal(err)
	}
	l := &lent{held, make(chan struct{})}
	f := &front{Options: o, address: l.Addr().String(), listener: l, server: serve(o), served: make(chan error, 1)}
	go func() { f.served <- f.server.Serve(l) }()
	t.Cleanup(func() {
		if f.stopped {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // tests that want a gentle end do it themselves
		f.stop(ctx)
		if err := <-f.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

// lent is a listener that tells of its end, as the agent's do.
type lent struct {
	*socket.Listener
	ended chan struct{}
}

func (l *lent) Done() <-chan struct{} { return l.ended }

func (l *lent) Close() error {
	close(l.ended)
	return l.Listener.Close()
}

func (f *front) stop(ctx context.Context) {
	f.stopped = true
	f.listener.Close()
	f.served <- <-f.served // so that nothing more is accepted
	f.server.Drain(ctx)
}

func startHTTP(t testing.TB, o Options, backends ...string) *front {
	return start(t, o, func(o Options) Server { return NewHTTP(o) }, backends...)
}

func startTCP(t testing.TB, o Options, backends ...string) *front {
	return start(t, o, func(o Options) Server { return NewTCP(o) }, backends...)
}

// inOrder picks the first server that may be picked.
type inOrder struct{}

func (inOrder) Name() string                  { return "in_order" }
func (inOrder) Prepare(r lb.Roster) lb.Picker { return inOrderPicker(r.Candidates) }

type inOrderPicker []*lb.Candidate

func (p inOrderPicker) Pick(q lb.Query) int {
	for i, c := range p {
		if !q.Skip(c) {
			return i
		}
	}
	return -1
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// refusing is an address where nobody listens, nor can begin to: that of a
// connection's own end.
func refusing(t testing.TB) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

// backend serves HTTP/1.1, and HTTP/2 by prior knowledge.
func backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

// rawBackend is one that answers each connection by a script, bytes on a
// socket, since a library would be too polite. It counts the connections on
// which it read something.
func rawBackend(t testing.TB, script func(conn net.Conn, r *bufio.Reader)) (address string, requests *atomic.Int64) {
	t.Helper()
	l := listen(t)
	requests = new(atomic.Int64)
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := make(map[net.Conn]bool)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				if _, err := r.Peek(1); err == nil {
					requests.Add(1)
					script(conn, r)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String(), requests
}

// readHead reads a request's head, and its body where it has a length.
func readHead(r *bufio.Reader) *http.Request {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil
	}
	return req
}

func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

// client makes requests of its own connections, and never again by itself.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func h2cClient(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// get returns the answer with its body read.
func get(t testing.TB, url string) (*http.Response, string) {
	t.Helper()
	resp, err := client(t).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return resp, bodyOf(t, resp)
}

func bodyOf(t testing.TB, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// stats of the backend at a position.
func statsOf(t testing.TB, f *front, position int) lb.ServerStats {
	t.Helper()
	st, ok := f.Balancer.ServerStats(fmt.Sprint(position))
	if !ok {
		t.Fatalf("no backend %d", position)
	}
	return st
}

// settled waits until nothing is under way: an answer reaches its client
// before the last counts are made.
func settled(t testing.TB, f *front) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); f.Meter.Active.Load() > 0 || f.Balancer.Stats().Active > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("still under way: %d exchanges, %d leases", f.Meter.Active.Load(), f.Balancer.Stats().Active)
		}
		time.Sleep(time.Millisecond)
	}
}

// raw sends bytes as they are and returns all that comes back until the end.
func raw(t testing.TB, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("%v after %q", err, answer)
	}
	return string(answer)
}
