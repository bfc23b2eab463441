package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/outrigger-sidecar/outrigger/agent"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
)

// TestEndToEnd lives through a day of an agent: it starts the built binary
// between a catalog and backends in processes of their own, and has them
// crash, leave and come back while an app goes on calling.
func TestEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	program := binary(t)
	catalogs(t, func(t *testing.T, c *consulServer) {
		w := newWorld(t, program, c)
		w.spread(t)
		w.crash(t)
		w.maintain(t)
		w.deregister(t)
		w.reload(t)
		w.loseConsul(t)
		w.traced(t)
		w.end(t)
	})
}

// world is an agent with all that is around it.
type world struct {
	consul   *consulServer
	client   *consul.Client
	service  string
	backends map[string]*process
	agent    *process
	log      *lockedBuffer
	config   string // path
	url      string // of the upstream
	admin    string
	otlp     *receiver
}

func newWorld(t *testing.T, program string, c *consulServer) *world {
	t.Helper()
	ports := freePorts(t, 2)
	w := &world{
		consul: c, client: c.client(t), backends: make(map[string]*process), log: new(lockedBuffer),
		service: fmt.Sprintf("web-%d", os.Getpid()), config: filepath.Join(t.TempDir(), "agent.hcl"),
		url: "http://127.0.0.1:" + ports[0] + "/", admin: "127.0.0.1:" + ports[1], otlp: newReceiver(t),
	}
	for _, id := range []string{"a", "b", "c"} {
		w.start(t, id, "127.0.0.1:0")
		w.register(t, id)
	}
	w.configure(t, "round_robin")
	cmd := exec.Command(program, "agent", "-config", w.config)
	cmd.Stderr = w.log
	cmd.Env = append(os.Environ(),
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_METRICS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+w.otlp.URL, "OTEL_METRIC_EXPORT_INTERVAL=500", "OTEL_BSP_SCHEDULE_DELAY=200")
	w.agent = started(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the agent's log:\n%s", w.log)
		}
	})
	w.eventually(t, "all three are up", func(e agent.Explanation) bool { return w.up(e) == 3 })
	return w
}

func (w *world) start(t *testing.T, id, listen string) { w.backends[id] = actor(t, id, listen) }

func (w *world) register(t *testing.T, id string) {
	t.Helper()
	p := w.backends[id]
	tcp, err := net.ResolveTCPAddr("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.client.Register(t.Context(), consul.Registration{
		ID: w.service + "-" + id, Name: w.service, Address: "127.0.0.1", Port: tcp.Port,
		Checks: []consul.Check{{HTTP: "http://" + p.address + "/health", Interval: time.Second}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Deregister(t.Context(), w.service+"-"+id) }) // where the catalog is not ours
}

func (w *world) configure(t *testing.T, strategy string) {
	t.Helper()
	text := fmt.Sprintf(`
agent { drain_timeout = "10s" }
consul { address = %q }
admin { listen = %q }
upstream "web" {
  listen   = %q
  strategy = %q
  consul { service = %q }
}
`, w.consul.address, w.admin, strings.TrimSuffix(strings.TrimPrefix(w.url, "http://"), "/"), strategy, w.service)
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) explain() (e agent.Explanation, err error) {
	text := fetch("http://" + w.admin + "/v1/upstreams/web")
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return e, errors.New(text)
	}
	return e, nil
}

func (w *world) up(e agent.Explanation) (n int) {
	for _, b := range e.Backends {
		if b.State == "up" {
			n++
		}
	}
	return n
}

func (w *world) stateOf(e agent.Explanation, id string) string {
	for _, b := range e.Backends {
		if strings.HasSuffix(b.ID, w.service+"-"+id) {
			return b.State
		}
	}
	return ""
}

func (w *world) eventually(t *testing.T, what string, check func(agent.Explanation) bool) {
	t.Helper()
	eventually(t, what, func() error {
		e, err := w.explain()
		if err != nil {
			return err
		}
		if !check(e) {
			states, _ := json.Marshal(e.Backends)
			return errors.New(string(states))
		}
		return nil
	})
}

// ask makes n requests, one after the other, and counts who answered.
func (w *world) ask(t *testing.T, n int) map[string]int {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, count := &http.Client{Transport: transport, Timeout: 10 * time.Second}, make(map[string]int)
	for range n {
		backend, err := ask(client, w.url)
		if err != nil {
			t.Fatal(err)
		}
		count[backend]++
	}
	return count
}

// none checks that nothing failed.
func none(t *testing.T, while string, l *load) map[string]int {
	t.Helper()
	answers, failures := l.end()
	total := 0
	for _, n := range answers {
		total += n
	}
	if len(failures) > 0 || total < 50 {
		t.Errorf("%s: %d of %d requests failed: %q", while, len(failures), total+len(failures), failures[:min(3, len(failures))])
	}
	return answers
}

func (w *world) spread(t *testing.T) {
	count := w.ask(t, 300)
	for _, id := range []string{"a", "b", "c"} {
		if count[id] != 100 {
			t.Errorf("round robin over three gave %v", count)
		}
	}
}

// A backend that crashes costs no request, leaves, and comes back.
func (w *world) crash(t *testing.T) {
	l := startLoad(w.url, 4)
	time.Sleep(200 * time.Millisecond)
	address := w.backends["a"].address
	w.backends["a"].kill()
	w.eventually(t, "the crashed backend is out", func(e agent.Explanation) bool { s := w.stateOf(e, "a"); return s == "down" || s == "ejected" })
	w.start(t, "a", address)
	w.eventually(t, "it is back", func(e agent.Explanation) bool { return w.stateOf(e, "a") == "up" })
	none(t, "a crash", l)
}

// Maintenance drains: no request fails, none is new.
func (w *world) maintain(t *testing.T) {
	l := startLoad(w.url, 4)
	path := "/v1/agent/service/maintenance/" + w.service + "-b?enable="
	w.consul.put(t, path+"true&reason=test")
	w.eventually(t, "b drains", func(e agent.Explanation) bool { return w.stateOf(e, "b") == "draining" })
	if count := w.ask(t, 60); count["b"] != 0 {
		t.Errorf("in maintenance, b got %v", count)
	}
	w.consul.put(t, path+"false")
	w.eventually(t, "b is back", func(e agent.Explanation) bool { return w.stateOf(e, "b") == "up" })
	none(t, "maintenance", l)
}

func (w *world) deregister(t *testing.T) {
	l := startLoad(w.url, 4)
	if err := w.client.Deregister(t.Context(), w.service+"-c"); err != nil {
		t.Fatal(err)
	}
	w.eventually(t, "c has left", func(e agent.Explanation) bool { return w.stateOf(e, "c") != "up" })
	if count := w.ask(t, 60); count["c"] != 0 || count["a"] < 20 || count["b"] < 20 { // the load takes turns too
		t.Errorf("after c was deregistered: %v", count)
	}
	none(t, "a deregistration", l)
}

// A changed strategy is taken up without a dropped request; a bad
// configuration changes nothing and is named by file and line.
func (w *world) reload(t *testing.T) {
	l := startLoad(w.url, 4)
	if err := os.WriteFile(w.config, []byte("upstream \"web\" {\n  lissten = 1\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.signal(t, syscall.SIGHUP)
	eventually(t, "the mistake is logged", func() error {
		if log := w.log.String(); !strings.Contains(log, "agent.hcl:2,3") || !strings.Contains(log, "listen") {
			return errors.New("not yet")
		}
		return nil
	})
	if e, err := w.explain(); err != nil || e.Strategy != "round_robin" || w.up(e) != 2 {
		t.Errorf("after a bad reload: %+v, %v", e, err)
	}
	w.configure(t, "random")
	w.signal(t, syscall.SIGHUP)
	w.eventually(t, "the new strategy is in force", func(e agent.Explanation) bool { return e.Strategy == "random" })
	time.Sleep(300 * time.Millisecond)
	none(t, "reloads", l)
}

func (w *world) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := w.agent.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Consul dies, and nothing is lost.
func (w *world) loseConsul(t *testing.T) {
	if w.consul.process == nil {
		t.Log("the Consul is not ours to stop: left out")
		return
	}
	l := startLoad(w.url, 4)
	w.consul.process.kill()
	w.eventually(t, "the agent notices", func(e agent.Explanation) bool { return e.Catalog != nil && e.Catalog.Error != "" })
	time.Sleep(2 * time.Second)
	if e, err := w.explain(); err != nil || w.up(e) != 2 || !e.Ready {
		t.Errorf("without Consul: %+v, %v", e, err)
	}
	if answers := none(t, "without Consul", l); answers["a"] == 0 || answers["b"] == 0 {
		t.Errorf("without Consul: %v", answers)
	}
}

// Spans and metrics arrive, and the trace goes on to the backend.
func (w *world) traced(t *testing.T) {
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	req.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("X-Traceparent"); !strings.HasPrefix(got, "00-"+trace) || strings.Contains(got, "b7ad6b7169203331") {
		t.Errorf("the backend got traceparent %q", got)
	}
	eventually(t, "spans and metrics arrive", func() error {
		spans, metrics := w.otlp.got()
		if n := spans[trace]; !slices.Contains(n, "SPAN_KIND_SERVER") || !slices.Contains(n, "SPAN_KIND_CLIENT") {
			return fmt.Errorf("of the trace came %v", n)
		}
		for _, name := range []string{"http.server.request.duration", "http.client.request.duration", "outrigger.backend.requests", "outrigger.discovery.updates"} {
			if !metrics[name] {
				return fmt.Errorf("%s is missing", name)
			}
		}
		return nil
	})
}

// SIGTERM under load: every request that was taken is answered, and the
// process ends well.
func (w *world) end(t *testing.T) {
	l := startLoad(w.url+"slow", 8)
	time.Sleep(500 * time.Millisecond)
	w.signal(t, syscall.SIGTERM)
	select {
	case <-w.agent.exited:
	case <-time.After(15 * time.Second):
		t.Fatal("it does not end")
	}
	answers, failures := l.end()
	for _, f := range failures {
		if !strings.Contains(f, "connection refused") { // nobody is let in any more
			t.Errorf("a request was dropped: %s", f)
		}
	}
	if len(answers) == 0 {
		t.Error("nobody was answered")
	}
	if code := w.agent.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// receiver is an OTLP collector over HTTP.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	spans   map[string][]string // kinds by trace ID
	metrics map[string]bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{spans: make(map[string][]string), metrics: make(map[string]bool)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var body io.Reader = req.Body
		if req.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(body)
		}
		raw, _ := io.ReadAll(body)
		r.mu.Lock()
		defer r.mu.Unlock()
		switch req.URL.Path {
		case "/v1/traces":
			var message tracepb.ExportTraceServiceRequest
			if proto.Unmarshal(raw, &message) != nil {
				return
			}
			for _, rs := range message.ResourceSpans {
				for _, ss := range rs.ScopeSpans {
					for _, s := range ss.Spans {
						id := fmt.Sprintf("%x", s.TraceId)
						r.spans[id] = append(r.spans[id], s.Kind.String())
					}
				}
			}
		case "/v1/metrics":
			var message metricspb.ExportMetricsServiceRequest
			if proto.Unmarshal(raw, &message) != nil {
				return
			}
			for _, rm := range message.ResourceMetrics {
				for _, sm := range rm.ScopeMetrics {
					for _, m := range sm.Metrics {
						r.metrics[m.Name] = true
					}
				}
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() (spans map[string][]string, metrics map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans, metrics = make(map[string][]string), make(map[string]bool)
	for id, kinds := range r.spans {
		spans[id] = slices.Clone(kinds)
	}
	for name := range r.metrics {
		metrics[name] = true
	}
	return spans, metrics
}

// lockedBuffer is what a process writes while the test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
