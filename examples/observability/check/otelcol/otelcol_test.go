package otelcol

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

const repository = "../../../.."

const agentConfig = `
agent { name = "checkout" }
admin { listen = "127.0.0.1:0" }
telemetry {
  traces {
    exporters = ["otlp"]
    protocol  = "%[1]s"
    endpoint  = "http://%[2]s"
  }
  metrics {
    exporters = ["otlp"]
    protocol  = "%[1]s"
    endpoint  = "http://%[2]s"
  }
  logs {
    exporters = ["otlp"]
    protocol  = "%[1]s"
    endpoint  = "http://%[2]s"
    level     = "info"
  }
}
upstream "web" {
  listen = "127.0.0.1:0"
  consul { service = "web" }
}
`

// What the collector passes on is what the app did, by either protocol.
func TestCollectorGetsAll(t *testing.T) {
	const requests = 100
	program := filepath.Join(t.TempDir(), "outrigger")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	build.Dir = repository
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			got := receive(t)
			c, stopCollector := startCollector(t, got.url)
			endpoint := c.grpc
			if protocol != "grpc" {
				endpoint = c.http
			}
			web, stopAgent := startAgent(t, program, fmt.Sprintf(agentConfig, protocol, endpoint))
			for range requests {
				resp, err := http.Get(web)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			stopAgent()
			stopCollector()
			got.check(t, requests)
		})
	}
}

// check holds the signals against each other and against what the app did.
func (r *received) check(t *testing.T, requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		t.Fatal(r.broken)
	}
	for _, signal := range []string{"traces", "metrics", "logs"} {
		of := r.resources[signal]
		if of["service.name"] != "outrigger" || of["outrigger.app.name"] != "checkout" || of["service.instance.id"] == "" {
			t.Errorf("the resource of %s is %v", signal, of)
		}
		if id := r.resources["traces"]["service.instance.id"]; of["service.instance.id"] != id {
			t.Errorf("%s are of %s, traces of %s", signal, of["service.instance.id"], id)
		}
	}
	const server, client = 2, 3
	byID, exchanges, attempts := make(map[string]span), 0, 0
	for _, s := range r.spans {
		byID[s.SpanID] = s
	}
	for _, s := range r.spans {
		switch parent := byID[s.ParentSpanID]; s.Kind {
		case server:
			exchanges++
		case client:
			attempts++
			if parent.Kind != server || parent.TraceID != s.TraceID {
				t.Errorf("attempt %+v is of %+v", s, parent)
			}
		default:
			t.Errorf("a span of kind %d: %+v", s.Kind, s)
		}
	}
	if n := r.total(t, "http.server.request.duration"); exchanges != requests || n != requests {
		t.Errorf("the app made %d requests; spans tell of %d, metrics of %d", requests, exchanges, n)
	}
	if n := r.total(t, "http.client.request.duration"); attempts != n || n < requests {
		t.Errorf("spans tell of %d attempts, metrics of %d", attempts, n)
	}
	if n := r.total(t, "outrigger.backend.requests"); n != attempts {
		t.Errorf("backends had %d requests in %d attempts", n, attempts)
	}
	events := make(map[string]int)
	for _, rec := range r.records {
		events[rec.EventName]++
	}
	changes := events["outrigger.backend.state_changed"] + events["outrigger.backend.ejected"]
	if n := r.total(t, "outrigger.backend.state_changes"); changes < 3 || n != changes {
		t.Errorf("%d events, %d counted: %v", changes, n, events)
	}
	if events[""] == 0 {
		t.Error("no line of the log came along")
	}
}

// startAgent starts one with the demo's backends. stop ends it, when all that
// it has to tell is told.
func startAgent(t *testing.T, program, config string) (web string, stop func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.hcl")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "agent", "-dev", "-dev-catalog", "127.0.0.1:0", "-config", path)
	said := new(output)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceValue(func() error {
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		return cmd.Wait()
	})
	t.Cleanup(func() { _ = end() })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if found := regexp.MustCompile(`curl (http://\S+) +call web`).FindStringSubmatch(said.String()); found != nil {
			web = found[1]
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the agent does not begin:\n%s", said)
		}
	}
	return web, func() {
		t.Helper()
		if err := end(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
	}
}

// output is what a process says.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
