package consul

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// What follows runs over real connections against the embedded catalog, and against
// a real Consul where OUTRIGGER_TEST_CONSUL names one: the path of its program,
// or the address of one that runs without ACLs, "http://…".
//
// A real Consul cannot be made to misbehave, nor one that is not ours to be
// stopped. So there is a front before either, which can: it has the fault
// switches, and it can die. What needs the catalog's own state to go wrong (a
// restored backup, an index that falls for good) is in virtual time only, and
// against the embedded one.
type front struct {
	address  string // a socket's, which nobody else takes while it is dead
	service  string // of this test alone
	handler  http.Handler
	faults   *catalog.Faults
	listener net.Listener
	server   *http.Server

	mu    sync.Mutex
	conns int // that are open
}

func consuls(t *testing.T, test func(t *testing.T, f *front)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, newFront(t, catalog.New(catalog.Options{})))
	})
	where := os.Getenv("OUTRIGGER_TEST_CONSUL")
	if where == "" {
		return
	}
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		if !strings.HasPrefix(where, "http") {
			where = startConsul(t, where)
		}
		target, err := url.Parse(where)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{MaxIdleConnsPerHost: 10}
		t.Cleanup(transport.CloseIdleConnections)
		test(t, newFront(t, &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
		}))
	})
}

func startConsul(t *testing.T, program string) string {
	t.Helper()
	var ports []any
	var held []net.Listener // all at once, so that they differ
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held, ports = append(held, l), append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	for _, l := range held {
		l.Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, strings.Fields(fmt.Sprintf("agent -dev -bind 127.0.0.1 -client 127.0.0.1 -log-level error"+
		" -grpc-port -1 -grpc-tls-port -1 -dns-port -1 -http-port %d -server-port %d -serf-lan-port %d -serf-wan-port %d", ports...))...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
	})
	base := fmt.Sprint("http://127.0.0.1:", ports[0])
	source := clientOf(t, Config{Address: base}).Source(Query{Service: "consul"})
	soon(t, "Consul knows itself", func() bool {
		s, err := source.Confirm(t.Context())
		return err == nil && len(s.Instances) == 1
	})
	return base
}

func newFront(t *testing.T, behind http.Handler) *front {
	t.Helper()
	f := &front{address: "unix://" + filepath.Join(t.TempDir(), "consul"), service: fmt.Sprint("web-", time.Now().UnixNano())}
	f.handler, f.faults = catalog.Faulty(behind)
	f.start(t)
	t.Cleanup(f.stop)
	f.fill(t)
	t.Cleanup(f.faults.Clear)
	return f
}

// serving is the front for another service of the test.
func (f *front) serving(t *testing.T, service string) *front {
	t.Helper()
	other := &front{address: f.address, service: service, handler: f.handler}
	other.fill(t)
	return other
}

// fill registers four instances, for as long as the test lasts.
func (f *front) fill(t *testing.T) {
	t.Helper()
	for port := range 4 {
		f.register(t, fmt.Sprint(f.service, "-", port), 8000+port)
	}
	t.Cleanup(func() {
		for port := range 9 {
			_ = served(context.Background(), f.handler, fmt.Sprint("/v1/agent/service/deregister/", f.service, "-", port), "") // it may be gone
		}
	})
}

func (f *front) start(t *testing.T) {
	t.Helper()
	var err error
	if f.listener, err = net.Listen("unix", strings.TrimPrefix(f.address, "unix://")); err != nil {
		t.Fatal(err)
	}
	f.server = &http.Server{Handler: f.handler, ErrorLog: log.New(io.Discard, "", 0), ConnState: func(_ net.Conn, s http.ConnState) {
		f.mu.Lock()
		defer f.mu.Unlock()
		switch s {
		case http.StateNew:
			f.conns++
		case http.StateClosed, http.StateHijacked:
			f.conns--
		}
	}}
	go func(s *http.Server, l net.Listener) { _ = s.Serve(l) }(f.server, f.listener)
}

func (f *front) stop() {
	_ = f.listener.Close()
	_ = f.server.Close()
}

func (f *front) register(t *testing.T, id string, port int) {
	t.Helper()
	serve(t, f.handler, "/v1/agent/service/register", fmt.Sprintf(`{"Name":%q,"ID":%q,"Address":"127.0.0.1","Port":%d}`, f.service, id, port))
}

// watch follows the test's service until the test ends.
func (f *front) watch(t *testing.T, known discovery.Snapshot) *watched {
	t.Helper()
	client := clientOf(t, Config{Address: f.address})
	w := new(watched)
	w.Watcher = &discovery.Watcher{Source: client.Source(Query{Service: f.service}), Wait: client.Wait(), Known: known}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { w.Run(ctx, w.emit); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return w
}

// soon waits for what other goroutines bring about.
func soon(t *testing.T, what string, check func() bool) (took time.Duration) {
	t.Helper()
	begin := time.Now()
	for !check() {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}

// P1 and P2: Consul is down at the start, comes, dies and comes back. What was
// kept and what it said last stay in force, and it is noticed at once.
func TestConsulDiesAndComesBack(t *testing.T) {
	consuls(t, func(t *testing.T, f *front) {
		known, err := clientOf(t, Config{Address: f.address}).Source(Query{Service: f.service}).Fetch(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		archive := discovery.Archive{Dir: t.TempDir()}
		if err := archive.Save("web", "q", known); err != nil {
			t.Fatal(err)
		}
		f.stop()
		if known, err = archive.Load("web", "q"); err != nil || len(known.Instances) != 4 || known.Origin.Server != f.address {
			t.Fatalf("%+v, %v", known, err)
		}
		w := f.watch(t, known)
		for round := range 2 {
			soon(t, "it is missed", func() bool { return w.Status().Class == "network" })
			f.register(t, fmt.Sprint(f.service, "-", 4+round), 9000+round)
			f.start(t)
			took := soon(t, "it has caught up", func() bool { return len(w.last().Instances) == 5+round && w.Status().Err == nil })
			if took > 2*time.Second {
				t.Errorf("it took %v to catch up", took)
			}
			f.stop()
		}
		if n := w.fewest(); n < 5 {
			t.Errorf("once there were %d instances", n)
		}
	})
}

// P3, P4, P6, P8, P9: whatever is answered, nothing is lost, and what is wrong
// shows. Each fault is met by a service of its own.
func TestFaultsOverConnections(t *testing.T) {
	consuls(t, func(t *testing.T, f *front) {
		for kind, class := range map[catalog.FaultKind]string{
			catalog.NoLeader: "server", catalog.Forbidden: "denied", catalog.TooManyRequests: "overloaded", catalog.Unavailable: "overloaded",
			catalog.Truncated: "answer", catalog.Null: "answer", catalog.Empty: "server", catalog.ACLEmpty: "hidden",
			catalog.IndexFalls: "", catalog.IndexZero: "", catalog.IndexGarbage: "", catalog.IndexMissing: "", catalog.NoLastContact: "",
			catalog.StaleViews: "", catalog.Hang: "", catalog.Slow: "",
		} {
			t.Run(string(kind), func(t *testing.T) {
				t.Parallel()
				own := f.serving(t, f.service+"-"+string(kind))
				w := own.watch(t, discovery.Snapshot{})
				soon(t, "it has all", func() bool { return len(w.last().Instances) == 4 })
				fault := catalog.Fault{Kind: kind, Path: "/v1/health/service/" + own.service, Delay: 100 * time.Millisecond}
				if class == "" { // it must not show, so it ends when it was met
					fault.Count = 1
				}
				off, err := f.faults.Set(fault)
				if err != nil {
					t.Fatal(err)
				}
				// Queries that wait are let go by a change which changes nothing. The
				// two of it may wake one query, and the next needs another to err.
				touch := func() {
					own.register(t, own.service+"-3", 8013)
					own.register(t, own.service+"-3", 8003)
				}
				met := func() bool {
					if class != "" {
						return w.Status().Class == class
					}
					return !slices.ContainsFunc(f.faults.Active(), func(a catalog.Fault) bool { return a.Path == fault.Path })
				}
				soon(t, "it was met", func() bool {
					if met() {
						return true
					}
					touch()
					return false
				})
				off()
				if class == "" && kind != catalog.Hang { // which is as long as a wait, and longer than this test
					own.register(t, own.service+"-3", 8023)
					soon(t, "it goes on", func() bool { return strings.HasSuffix(w.last().Instances[3].Address, ":8023") })
					if st := w.Status(); len(st.Failures) > 0 || st.Confirmed > 0 {
						t.Errorf("it shows: %+v", st)
					}
				}
				if n := w.fewest(); n != 4 {
					t.Errorf("once there were %d instances", n)
				}
			})
		}
	})
}

// P5: that all are gone is believed once Consul's leader has said so twice.
func TestDeregistrationOverConnections(t *testing.T) {
	consuls(t, func(t *testing.T, f *front) {
		w := f.watch(t, discovery.Snapshot{})
		soon(t, "it has all", func() bool { return len(w.last().Instances) == 4 })
		off, err := f.faults.Set(catalog.Fault{Kind: catalog.Empty, Path: "/v1/health"})
		if err != nil {
			t.Fatal(err)
		}
		f.register(t, fmt.Sprint(f.service, "-3"), 8013)
		soon(t, "an empty answer is doubted", func() bool { return w.Status().Suspicion != nil && w.last().Doubt != "" })
		if n := w.fewest(); n != 4 {
			t.Errorf("once there were %d instances", n)
		}
		off()
		soon(t, "they are back", func() bool { return w.Status().Rejected == 1 && w.last().Doubt == "" })
		for port := range 4 {
			serve(t, f.handler, fmt.Sprint("/v1/agent/service/deregister/", f.service, "-", port), "")
		}
		soon(t, "none is left", func() bool { s := w.last(); return len(s.Instances) == 0 && s.Doubt == "" })
		if w.Status().Confirmed == 0 {
			t.Error("it was believed at once")
		}
	})
}

// P11: an instance that is registered again at another port is the same one,
// and its old address is gone.
func TestSameInstanceAtANewPort(t *testing.T) {
	consuls(t, func(t *testing.T, f *front) {
		w := f.watch(t, discovery.Snapshot{})
		soon(t, "it has all", func() bool { return len(w.last().Instances) == 4 })
		before := w.last().Instances[2]
		f.register(t, fmt.Sprint(f.service, "-2"), 9002)
		soon(t, "it has moved", func() bool { return w.last().Instances[2].Address == "127.0.0.1:9002" })
		if s := w.last(); len(s.Instances) != 4 || s.Instances[2].ID != before.ID || before.Address != "127.0.0.1:8002" || s.Doubt != "" {
			t.Errorf("%+v became %+v", before, s.Instances[2])
		}
	})
}

// P7: a service that flaps is followed in steps, and its last state wins.
func TestFlappingOverConnections(t *testing.T) {
	consuls(t, func(t *testing.T, f *front) {
		w := f.watch(t, discovery.Snapshot{})
		soon(t, "it has all", func() bool { return len(w.last().Instances) == 4 })
		id := fmt.Sprint(f.service, "-4")
		for begin := time.Now(); time.Since(begin) < 500*time.Millisecond; {
			f.register(t, id, 8004)
			serve(t, f.handler, "/v1/agent/service/deregister/"+id, "")
		}
		f.register(t, id, 8014)
		soon(t, "the last state is in force", func() bool {
			s := w.last()
			return len(s.Instances) == 5 && s.Instances[4].Address == "127.0.0.1:8014"
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		for i := 1; i < len(w.told); i++ {
			if gap := w.told[i].At.Sub(w.told[i-1].At); gap < 100*time.Millisecond {
				t.Errorf("two answers within %v", gap)
			}
		}
		if n := len(w.told); n > 5 {
			t.Errorf("%d answers", n)
		}
	})
}
