package telemetry

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// counts are requests by the status that their client saw; 0 is none.
type counts struct {
	mu       sync.Mutex
	byStatus map[string]int
	attempts int   // that arrived at the backend
	bytes    int64 // of their bodies
}

func (c *counts) saw(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byStatus == nil {
		c.byStatus = make(map[string]int)
	}
	c.byStatus[strconv.Itoa(status)]++
}

func (c *counts) total() (n int) {
	for _, some := range c.byStatus {
		n += some
	}
	return n
}

// mixed is a backend that answers as the path says.
func mixed(t *testing.T, seen *counts) (address string, arrived chan struct{}) {
	arrived = make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.mu.Lock()
		seen.attempts++
		seen.mu.Unlock()
		switch kind, _, _ := strings.Cut(r.URL.Path[1:], "/"); kind {
		case "hang":
			arrived <- struct{}{}
			<-r.Context().Done()
		case "break":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "upgrade":
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = io.Copy(conn, rw)
		default:
			status, err := strconv.Atoi(kind)
			if err != nil {
				t.Error(err)
			}
			n, _ := io.Copy(io.Discard, r.Body)
			seen.mu.Lock()
			seen.bytes += n
			seen.mu.Unlock()
			w.WriteHeader(status)
		}
	}))
	s.Config.ErrorLog = options(nil, nil).ErrorLog
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), arrived
}

// raw sends bytes over a connection of its own, and returns the status of the
// answer; then the connection goes on until the client has had enough.
func raw(t *testing.T, address, text string, goOn func(net.Conn, *bufio.Reader)) int {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return -1
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, text)
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return -1
	}
	if goOn != nil {
		goOn(conn, r)
	}
	return resp.StatusCode
}

// refusing is an address where nobody listens, nor can begin to: that of a
// connection's own end.
func refusing(t *testing.T, to string) string {
	conn, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr().String()
}

// What clients see, what metrics say and what spans say are one, to the last
// request, whatever becomes of them.
func TestConservation(t *testing.T) {
	c := trusting()
	c.Metrics.BodySize = true
	rig := newRig(t, c)
	var client, backend counts
	good, arrived := mixed(t, &backend)
	b := lb.New(lb.RoundRobin())
	for id, address := range map[string]string{"good": good, "bad": refusing(t, good)} {
		if err := b.Add(lb.Server{ID: id, Address: address}); err != nil {
			t.Fatal(err)
		}
	}
	o := options(b, rig.Observer("web", choosing{b, 0}))
	o.Retry = proxy.Retry{Max: 3, BudgetPercent: 50}
	address := served(t, proxy.NewHTTP(o))
	nowhere := options(lb.New(nil), rig.Observer("nowhere", nil))
	elsewhere := served(t, proxy.NewHTTP(nowhere))

	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	one, two := &http.Transport{}, &http.Transport{Protocols: &protocols}
	defer one.CloseIdleConnections()
	defer two.CloseIdleConnections()
	call := func(ctx context.Context, by *http.Transport, method, url string) {
		r, _ := http.NewRequestWithContext(ctx, method, url, nil)
		if method == "POST" {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", 5000)))
		}
		resp, err := by.RoundTrip(r)
		if err != nil {
			client.saw(0)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		client.saw(resp.StatusCode)
	}
	const each = 12
	var all sync.WaitGroup
	repeat := func(f func(n int)) {
		all.Go(func() {
			for n := range each {
				f(n)
			}
		})
	}
	for _, by := range []*http.Transport{one, two} {
		for _, method := range []string{"GET", "POST", "BREW"} {
			for _, kind := range []string{"200", "404", "500", "503"} {
				repeat(func(int) { call(t.Context(), by, method, "http://"+address+"/"+kind) })
			}
		}
		repeat(func(int) { call(t.Context(), by, "GET", "http://"+address+"/break") })
		repeat(func(int) { call(t.Context(), by, "GET", "http://"+elsewhere+"/") })
	}
	repeat(func(n int) { // clients that give up; a retry is none of theirs
		ctx, giveUp := context.WithCancel(t.Context())
		defer giveUp()
		done := make(chan struct{})
		go func() {
			defer close(done)
			call(ctx, []*http.Transport{one, two}[n%2], "GET", "http://"+address+"/hang")
		}()
		select {
		case <-arrived:
		case <-done: // it was not let through to a backend
		}
		giveUp()
		<-done
	})
	repeat(func(int) {
		client.saw(raw(t, address, "GET /upgrade HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n", func(conn net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(conn, "hello")
			_, _ = io.ReadFull(r, make([]byte, 5))
		}))
	})
	for _, malformed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "\x00 / HTTP/1.1\r\nHost: a\r\n\r\n", "GET\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/7.3\r\nHost: a\r\n\r\n",
	} {
		repeat(func(int) { client.saw(raw(t, address, malformed, nil)) })
	}
	all.Wait()
	total := client.total()
	eventually(t, func() bool {
		return o.Meter.Active.Load() == 0 && nowhere.Meter.Active.Load() == 0 && int(o.Meter.Requests.Load()+nowhere.Meter.Requests.Load()) >= total
	})
	t.Logf("%d requests, by status %v; %d attempts arrived", total, client.byStatus, backend.attempts)

	spans := make(map[string]int) // requests by status
	attempts, retried, servers, clients := 0, 0, 0, 0
	for _, s := range rig.spans.GetSpans() {
		got := attributesOf(s)
		if s.SpanKind == trace.SpanKindClient {
			clients++
			if got["http.request.resend_count"] != "" {
				retried++
			}
			continue
		}
		servers++
		status := got["http.response.status_code"]
		if got["outrigger.outcome"] == "client_cancelled" || status == "" {
			status = "0"
		}
		spans[status]++
		n, _ := strconv.Atoi(got["outrigger.attempts"])
		attempts += n
	}
	metrics := rig.with(
		Upstream{Name: "web", Protocol: "http", Meter: o.Meter, Stats: b.Stats(), Servers: b.AllStats()},
		Upstream{Name: "nowhere", Protocol: "http", Meter: nowhere.Meter},
	).collect(t)
	measured := make(map[string]int) // requests by status
	count := func(name string) (n int) {
		for _, p := range metrics[name].Data.(metricdata.Histogram[float64]).DataPoints {
			n += int(p.Count)
			if name == httpServerDuration {
				status := labelsOf(p.Attributes)["http.response.status_code"]
				if status == "" {
					status = "0"
				}
				measured[status] += int(p.Count)
			}
		}
		return n
	}
	sent := 0.0
	for _, p := range metrics[httpClientRequestSize].Data.(metricdata.Histogram[float64]).DataPoints {
		sent += p.Sum
	}
	if int64(sent) != backend.bytes || sent == 0 {
		t.Errorf("%v bytes were sent to backends, and %d arrived", sent, backend.bytes)
	}
	for what, n := range map[string]int{
		"sizes of requests": count(httpServerRequestSize), "sizes of answers": count(httpServerResponseSize),
		"spans": servers, "durations": count(httpServerDuration), "overheads": count(overheadDuration),
		"by the meters": int(o.Meter.Requests.Load() + nowhere.Meter.Requests.Load()),
	} {
		if n != total {
			t.Errorf("%d %s of %d requests", n, what, total)
		}
	}
	for what, n := range map[string]int{
		"sizes of requests": count(httpClientRequestSize), "sizes of answers": count(httpClientResponseSize),
		"spans": clients, "durations": count(httpClientDuration)} {
		if n != attempts {
			t.Errorf("%d %s of %d attempts", n, what, attempts)
		}
	}
	if fmt.Sprint(spans) != fmt.Sprint(client.byStatus) || fmt.Sprint(measured) != fmt.Sprint(client.byStatus) {
		t.Errorf("by status clients saw %v, spans %v, metrics %v", client.byStatus, spans, measured)
	}
	again := 0
	for _, n := range sums(t, metrics, retries) {
		again += int(n)
	}
	if again == 0 || again != retried || again != int(o.Meter.Retries.Load()) {
		t.Errorf("%d retries in metrics, %d in spans, %d by the meter", again, retried, o.Meter.Retries.Load())
	}
	var given float64
	for series, n := range sums(t, metrics, backendRequests) {
		given += n
		if strings.Contains(series, "id=good") && strings.Contains(series, "outcome=") {
			backend.attempts -= int(n)
		}
	}
	if int(given) != attempts || backend.attempts != 0 {
		t.Errorf("backends were given %v of %d attempts; %d more arrived than at the good one", given, attempts, backend.attempts)
	}
	for _, name := range []string{httpServerActive, httpClientActive, backendActive} {
		for series, n := range sums(t, metrics, name) {
			if n != 0 {
				t.Errorf("%s: %v of %s", name, n, series)
			}
		}
	}
}
