package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// sightings are requests by the status that somebody saw; "0" is of those that
// were given up or broken off.
type sightings struct {
	mu sync.Mutex
	by map[string]int
}

func (s *sightings) saw(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[string]int)
	}
	s.by[status]++
}

// moody is a backend that answers as the path says.
func moody(t *testing.T, arrived chan<- struct{}) string {
	return handler(t, func(w http.ResponseWriter, r *http.Request) {
		switch kind := strings.Trim(r.URL.Path, "/"); kind {
		case "hang":
			arrived <- struct{}{}
			<-r.Context().Done()
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
			_, _ = io.Copy(io.Discard, r.Body)
			if status, err := strconv.Atoi(kind); err == nil {
				w.WriteHeader(status)
			}
		}
	})
}

// spoken sends bytes over a connection of its own, and returns the status of
// the answer.
func spoken(t *testing.T, address, text string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, text)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return ""
	}
	return strconv.Itoa(resp.StatusCode)
}

// What clients see, what has a line in the access log, what metrics count and
// what has a span is one and the same, whatever becomes of requests.
func TestConservation(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	to, arrived := startCollector(t), make(chan struct{})
	path := filepath.Join(t.TempDir(), "access.log")
	a := run(t, parse(t, `
		telemetry {
			traces {
				exporters = ["otlp"]
				protocol  = "http/protobuf"
				endpoint  = %q
			}
			metrics {
				exporters = ["otlp"]
				protocol  = "http/protobuf"
				endpoint  = %q
			}
			access_log {
				format = "json"
				output = %q
			}
		}
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "gone" { address = "127.0.0.1:1" }
			server "good" { address = %q }
		}
		upstream "nowhere" {
			listen = "127.0.0.1:0"
			server "gone" { address = "127.0.0.1:1" }
		}`, to.url, to.url, path, moody(t, arrived)))

	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	one, two := &http.Transport{}, &http.Transport{Protocols: &protocols}
	defer one.CloseIdleConnections()
	defer two.CloseIdleConnections()
	var client sightings
	call := func(ctx context.Context, by *http.Transport, method, url string) {
		r, _ := http.NewRequestWithContext(ctx, method, url, nil)
		resp, err := by.RoundTrip(r)
		if err != nil {
			client.saw("0")
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		client.saw(strconv.Itoa(resp.StatusCode))
	}
	const each = 10
	var all sync.WaitGroup
	repeat := func(f func()) {
		all.Go(func() {
			for range each {
				f()
			}
		})
	}
	for _, by := range []*http.Transport{one, two} {
		for _, kind := range []string{"200", "404", "503"} {
			for _, method := range []string{"GET", "POST"} {
				repeat(func() { call(t.Context(), by, method, a.url("web")+"/"+kind) })
			}
		}
		repeat(func() { call(t.Context(), by, "GET", a.url("nowhere")) })
	}
	all.Go(func() { // clients that give up, one after the other since each waits to have arrived
		for n := range 2 * each {
			ctx, giveUp := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				call(ctx, []*http.Transport{one, two}[n%2], "GET", a.url("web")+"/hang")
			}()
			select {
			case <-arrived:
			case <-done: // it was not let through to a backend
			}
			giveUp()
			<-done
		}
	})
	web := a.Addresses()["web"]
	repeat(func() {
		client.saw(spoken(t, web, "GET /upgrade HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"))
	})
	repeat(func() { client.saw(spoken(t, web, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")) })
	repeat(func() { client.saw(spoken(t, web, "GET\r\n\r\n")) })
	all.Wait()
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}

	var logged, traced, measured sightings
	attempts, retries, ids := 0, 0, make(map[string]bool)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e struct {
			Status, Attempts int
			Outcome          string
			Span             string `json:"span_id"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Outcome == "client_cancelled" {
			e.Status = 0
		}
		logged.saw(strconv.Itoa(e.Status))
		attempts += e.Attempts
		retries += max(0, e.Attempts-1)
		ids[e.Span] = true
	}
	children := 0
	for _, s := range to.spans {
		if s.Kind != tracepb.Span_SPAN_KIND_SERVER {
			children++
			continue
		}
		if id := fmt.Sprintf("%x", s.SpanId); !ids[id] {
			t.Errorf("the span %s is in no line", id)
		}
		status := "0"
		for _, kv := range s.Attributes {
			if kv.Key == "http.response.status_code" {
				status = strconv.FormatInt(kv.Value.GetIntValue(), 10)
			}
		}
		if textsOf(s.Attributes)["outrigger.outcome"] == "client_cancelled" {
			status = "0"
		}
		traced.saw(status)
	}
	for _, p := range to.metrics["http.server.request.duration"].GetHistogram().DataPoints {
		status := "0"
		for _, kv := range p.Attributes {
			if kv.Key == "http.response.status_code" {
				status = strconv.FormatInt(kv.Value.GetIntValue(), 10)
			}
		}
		for range p.Count {
			measured.saw(status)
		}
	}
	t.Logf("clients saw %v; %d attempts", client.by, attempts)
	for what, s := range map[string]*sightings{"lines": &logged, "spans": &traced, "durations": &measured} {
		if !maps.Equal(s.by, client.by) {
			t.Errorf("%s are of %v, and clients saw %v", what, s.by, client.by)
		}
	}
	if children != attempts {
		t.Errorf("%d spans of %d attempts in lines", children, attempts)
	}
	counted := 0
	for _, n := range to.sums["outrigger.retries"] {
		counted += int(n)
	}
	if retries == 0 || counted != retries {
		t.Errorf("%d retries by metrics, %d by lines", counted, retries)
	}
}
