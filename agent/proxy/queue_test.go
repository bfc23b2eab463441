package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// queued are options with a queue before backends that take one at a time, in
// the order given.
func queued(t testing.TB, q lb.Queue, backends ...string) Options {
	t.Helper()
	o := defaults()
	o.Balancer = lb.New(inOrder{}, lb.WithQueue(q))
	for i, address := range backends {
		if err := o.Balancer.Add(lb.Server{ID: fmt.Sprint(i), Address: address, MaxConnections: 1}); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// gate is a backend that answers no request before it is let.
type gate struct {
	arrived, let chan struct{}
	address      string
}

func newGate(t testing.TB) *gate {
	g := &gate{arrived: make(chan struct{}, 10), let: make(chan struct{})}
	g.address = backend(t, func(w http.ResponseWriter, r *http.Request) {
		g.arrived <- struct{}{}
		select {
		case <-g.let:
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	return g
}

// occupy takes the place of a gate, and returns how to end that.
func (g *gate) occupy(t testing.TB, f *front) (end func()) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != "done" {
			t.Errorf("the one that has the place got %d %q", resp.StatusCode, body)
		}
	})
	<-g.arrived
	return func() {
		g.let <- struct{}{}
		wg.Wait()
	}
}

func waitFor(t testing.TB, f *front, what string, is func(lb.Stats) bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(f.Balancer.Stats()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s: %+v", what, f.Balancer.Stats())
		}
	}
}

func oneWaits(s lb.Stats) bool  { return s.Waiting == 1 }
func oneGaveUp(s lb.Stats) bool { return s.Waiting == 0 && s.GaveUp == 1 }

func TestQueuePlaces(t *testing.T) {
	g := newGate(t)
	f := startHTTP(t, queued(t, lb.Queue{Length: 1}, g.address))
	end := g.occupy(t, f)
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != "done" {
			t.Errorf("the one that waited got %d %q", resp.StatusCode, body)
		}
	})
	waitFor(t, f, "one waits", oneWaits)

	// The queue has one place too.
	resp, body := get(t, "http://"+f.address+"/")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=connection_limit_reached") ||
		!strings.Contains(body, "its queue is full") {
		t.Errorf("over the queue: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	end()
	g.let <- struct{}{}
	wg.Wait()
	settled(t, f)
	if s := f.Balancer.Stats(); s.Queued != 1 || s.GaveUp != 0 || s.Refused != 1 || f.Meter.Failures()[AtCapacity] != 1 {
		t.Errorf("counted %+v and %v", s, f.Meter.Failures())
	}
}

func TestQueueTimesOut(t *testing.T) {
	g := newGate(t)
	f := startHTTP(t, queued(t, lb.Queue{Length: 1, Timeout: 20 * time.Millisecond}, g.address))
	end := g.occupy(t, f)
	defer end()
	resp, body := get(t, "http://"+f.address+"/")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=connection_limit_reached") ||
		!strings.Contains(body, "none free in time (20ms)") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	err := grpcClient(t, f.address).Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String("x"), new(wrapperspb.StringValue))
	if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "none free in time") {
		t.Errorf("gRPC: %v", err)
	}
	if s := f.Balancer.Stats(); s.GaveUp != 2 {
		t.Errorf("counted %+v", s)
	}
}

// A request that took its time in the queue took too long, as it would have at
// a backend.
func TestQueueAndTheTimeOfTheRequest(t *testing.T) {
	g := newGate(t)
	o := queued(t, lb.Queue{Length: 1}, g.address)
	blocked := startHTTP(t, o)
	end := g.occupy(t, blocked)
	defer end()
	o.Timeouts.Request = 20 * time.Millisecond
	f := startHTTP(t, o)
	resp, body := get(t, "http://"+f.address+"/")
	if resp.StatusCode != 504 || !strings.Contains(body, `timeout "request"`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	waitFor(t, f, "it has left the queue", oneGaveUp)
	if st := statsOf(t, f, 0); st.Failures != 0 {
		t.Errorf("%d failures held against the backend", st.Failures)
	}
}

func TestQueueIsLeftByThoseWhoGo(t *testing.T) {
	g := newGate(t)
	f := startHTTP(t, queued(t, lb.Queue{Length: 1}, g.address))
	end := g.occupy(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.address+"/", nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, err := client(t).Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("got %d", resp.StatusCode)
		}
	})
	waitFor(t, f, "one waits", oneWaits)
	cancel()
	waitFor(t, f, "it is gone", oneGaveUp)
	wg.Wait()
	end()
	settled(t, f)
	if st := statsOf(t, f, 0); st.Failures != 0 || st.Requests != 1 || f.Meter.Errors.Load() != 0 || len(f.Meter.Failures()) != 0 {
		t.Errorf("held against the backend: %d of %d; counted %v", st.Failures, st.Requests, f.Meter.Failures())
	}
}

// A retry waits too, for a backend other than the one that failed.
func TestQueueOfRetries(t *testing.T) {
	g := newGate(t)
	f := startHTTP(t, queued(t, lb.Queue{Length: 2}, refusing(t), g.address))
	end := g.occupy(t, f) // which went by the one that refuses
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != "done" {
			t.Errorf("got %d %q", resp.StatusCode, body)
		}
	})
	waitFor(t, f, "the retry waits", oneWaits)
	end()
	g.let <- struct{}{}
	wg.Wait()
	if n := f.Meter.Retries.Load(); n != 2 {
		t.Errorf("%d retries", n)
	}
}

// A retry that there is no server for costs nothing of the budget.
func TestRetriesWithoutAServerAreFree(t *testing.T) {
	o := defaults()
	o.Retry = Retry{Max: 2, BudgetPerSecond: 1}
	f := startHTTP(t, o, refusing(t))
	for range 5 {
		if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode != 502 {
			t.Fatalf("got %d", resp.StatusCode)
		}
	}
	if denied, retries := f.Meter.Denied.Load(), f.Meter.Retries.Load(); denied != 0 || retries != 0 {
		t.Errorf("%d denied, %d retries", denied, retries)
	}
}

func TestQueueOfTCP(t *testing.T) {
	f := startTCP(t, queued(t, lb.Queue{Length: 1}, echoTCP(t)))
	dial := func(word string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, word)
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		return conn
	}
	finish := func(conn net.Conn) string {
		t.Helper()
		_ = conn.(*net.TCPConn).CloseWrite()
		all, _ := io.ReadAll(conn)
		return string(all)
	}
	first := dial("a")
	waitFor(t, f, "the first is served", func(s lb.Stats) bool { return s.Active == 1 })
	second := dial("b")
	waitFor(t, f, "the second waits", oneWaits)
	if got := finish(dial("c")); got != "" {
		t.Errorf("the third got %q", got)
	}
	if got := finish(first); got != "1 bytes: a" {
		t.Errorf("the first got %q", got)
	}
	if got := finish(second); got != "1 bytes: b" {
		t.Errorf("the second got %q", got)
	}
	settled(t, f)
	if n := f.Meter.Failures()[AtCapacity]; n != 1 {
		t.Errorf("counted %v", f.Meter.Failures())
	}

	// Who waits is let go when its time is up.
	f.Balancer.SetQueue(lb.Queue{Length: 1, Timeout: 20 * time.Millisecond})
	dial("a")
	waitFor(t, f, "one is served", func(s lb.Stats) bool { return s.Active == 1 })
	late := dial("late")
	if got, err := io.ReadAll(late); len(got) != 0 {
		t.Errorf("who waited too long got %q, %v", got, err)
	}

	// And at the latest by the end of a drain.
	f.Balancer.SetQueue(lb.Queue{Length: 1})
	waiting := dial("c")
	waitFor(t, f, "one waits", oneWaits)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.stop(ctx)
	if got, err := io.ReadAll(waiting); len(got) != 0 {
		t.Errorf("who waited got %q, %v", got, err)
	}
	if s := f.Balancer.Stats(); s.Waiting != 0 {
		t.Errorf("after the drain: %+v", s)
	}
	if n := f.Meter.Failures(); n[AtCapacity] != 1 || n[QueueTimeout] != 1 || len(n) != 2 {
		t.Errorf("counted %v", n)
	}
}
