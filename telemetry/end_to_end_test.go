package telemetry

import (
	"context"
	"encoding/hex"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// served runs a proxy server until the test ends and returns its address.
func served(t testing.TB, s proxy.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		l.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Drain(ctx)
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// options are a proxy's, as configuration has them.
func options(b *lb.Balancer, o proxy.Observer) proxy.Options {
	return proxy.Options{
		Upstream: "web", Balancer: b, Observer: o, Meter: new(proxy.Meter), Backend: proxy.Auto,
		ErrorLog: log.New(io.Discard, "", 0),
		Retry:    proxy.Retry{Max: 2, BudgetPercent: 20, BudgetPerSecond: 10},
		Timeouts: proxy.Timeouts{Connect: time.Second, FirstByte: 5 * time.Second, Idle: 5 * time.Second, Tunnel: 5 * time.Second, Header: 5 * time.Second, KeepAlive: time.Minute},
		Limits:   proxy.Limits{MaxHeaderBytes: 64 << 10},
	}
}

// tcpProxy is one without backends; serve has one connection fail there.
func tcpProxy(t testing.TB) (proxy.Server, func(testing.TB) *proxy.Meter) {
	o := options(lb.New(nil), nil)
	s := proxy.NewTCP(o)
	address := served(t, s)
	return s, func(t testing.TB) *proxy.Meter {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadAll(conn); err != nil {
			t.Fatal(err)
		}
		// The connection is closed just before it is counted.
		eventually(t, func() bool { return o.Meter.Requests.Load() > 0 })
		return o.Meter
	}
}

// A connection that a backend refused goes to another, and why is told.
func TestRetriesOfTCP(t *testing.T) {
	good := httptest.NewServer(http.NotFoundHandler())
	defer good.Close()
	b := lb.New(lb.First())
	for id, address := range map[string]string{"1": refusing(t, good.Listener.Addr().String()), "2": good.Listener.Addr().String()} {
		if err := b.Add(lb.Server{ID: id, Address: address}); err != nil {
			t.Fatal(err)
		}
	}
	o := options(b, nil)
	address := served(t, proxy.NewTCP(o))
	if status := raw(t, address, "GET / HTTP/1.0\r\n\r\n", nil); status != http.StatusNotFound {
		t.Errorf("got %d", status)
	}
	got := sums(t, newRig(t, trusting()).with(Upstream{Name: "db", Protocol: "tcp", Meter: o.Meter}).collect(t), retries)
	if len(got) != 1 || got["reason=connect_refused,outrigger.upstream.name=db"] != 1 {
		t.Errorf("%v", got)
	}
}

// A real proxy, a backend that refuses and one that answers: what the backend
// sees, the spans and the metrics tell one story.
func TestThroughTheProxy(t *testing.T) {
	rig := newRig(t, trusting())
	seen := make(chan http.Header, 1)
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		_, _ = io.WriteString(w, "hello")
	}))
	defer good.Close()
	b := lb.New(lb.RoundRobin())
	for id, address := range map[string]string{"bad": refusing(t, good.Listener.Addr().String()), "good": good.Listener.Addr().String()} {
		if err := b.Add(lb.Server{ID: id, Address: address}); err != nil {
			t.Fatal(err)
		}
	}
	o := options(b, rig.Observer("web", choosing{b, 0}))
	address := served(t, proxy.NewHTTP(o))
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	requests := 0
	for o.Meter.Retries.Load() == 0 { // until one met the bad backend first
		requests++
		r, _ := http.NewRequest("GET", "http://"+address+"/x", nil)
		r.Host = "made.up"
		r.Header.Set("traceparent", sampledParent)
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "hello" {
			t.Fatalf("%s: %q", resp.Status, body)
		}
		header := <-seen
		p, ok := parseTraceparent([]byte(header.Get("Traceparent")))
		if !ok || p.trace.String() != callersTrace || p.span.String() == callersSpan {
			t.Errorf("the backend saw %q", header["Traceparent"])
		}
	}
	// An answer reaches its client before the books are closed.
	eventually(t, func() bool { return len(rig.spans.GetSpans()) >= 2*requests+1 && o.Meter.Active.Load() == 0 })
	spans := rig.spans.GetSpans()
	if len(spans) != 2*requests+1 {
		t.Errorf("%d spans of %d requests with one retry", len(spans), requests)
	}
	all := rig.with(Upstream{Name: "web", Strategy: "round_robin", Protocol: "http", Meter: o.Meter, Stats: b.Stats(), Servers: b.AllStats()}).collect(t)
	for _, test := range []struct{ name, series string }{
		{retries, "reason=connect_refused,outrigger.upstream.name=web"},
		{backendRequests, "outcome=failed,outrigger.backend.id=bad,outrigger.upstream.name=web"},
	} {
		if got := sums(t, all, test.name); got[test.series] != 1 {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if got := sums(t, all, backendRequests)["outcome=ok,outrigger.backend.id=good,outrigger.upstream.name=web"]; got != float64(requests) {
		t.Errorf("the good backend has %v requests", got)
	}
	for name, want := range map[string]int{httpServerDuration: requests, httpClientDuration: requests + 1} {
		var count uint64
		for _, p := range all[name].Data.(metricdata.Histogram[float64]).DataPoints {
			count += p.Count
			if strings.Contains(seriesName(p.Attributes), "made.up") {
				t.Errorf("%s carries what a client made up: %v", name, seriesName(p.Attributes))
			}
			if len(p.Exemplars) == 0 || hex.EncodeToString(p.Exemplars[0].TraceID) != callersTrace {
				t.Errorf("%s has no exemplar of its trace", name)
			}
		}
		if count != uint64(want) {
			t.Errorf("%s counts %d, not %d", name, count, want)
		}
	}
	for _, p := range histogram(t, all, httpClientDuration) {
		if p["server.address"] != "web" {
			t.Errorf("%v", p)
		}
	}
}

// The caller hangs up while the backend works: nobody failed.
func TestCancelledThroughTheProxy(t *testing.T) {
	rig := newRig(t, trusting())
	working, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(working)
		<-release
	}))
	defer slow.Close()
	defer close(release)
	b := lb.New(nil)
	if err := b.Add(lb.Server{ID: "slow", Address: slow.Listener.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	o := options(b, rig.Observer("web", nil))
	address := served(t, proxy.NewHTTP(o))
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-working; hangUp() }()
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/", nil)
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	if resp, err := transport.RoundTrip(r); err == nil {
		resp.Body.Close()
		t.Fatal(resp.Status)
	}
	eventually(t, func() bool { return len(rig.spans.GetSpans()) == 2 })
	for _, s := range rig.spans.GetSpans() {
		got := attributesOf(s)
		if got["status"] != "Unset" || got["error.type"] != "" {
			t.Errorf("%v: %v", s.SpanKind, got)
		}
		if s.SpanKind == trace.SpanKindServer && got["outrigger.outcome"] != "client_cancelled" {
			t.Errorf("%v", got)
		}
	}
}
