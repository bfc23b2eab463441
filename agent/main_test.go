package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
)

func TestMain(m *testing.M) {
	if part := os.Getenv("OUTRIGGER_BENCH"); part != "" {
		play(part)
	}
	ShareProcessors() // as the program does
	goleak.VerifyTestMain(m)
}

// parse reads configuration, with an admin listener at a free port.
func parse(t testing.TB, format string, args ...any) config.Config {
	t.Helper()
	c, problems := config.Parse("test.hcl", []byte(`admin { listen = "127.0.0.1:0" }`+"\n"+fmt.Sprintf(format, args...)))
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return c
}

// running is an agent at work.
type running struct {
	*Agent
	log   *logBuffer
	stop  context.CancelFunc
	ended chan error
}

// run starts an agent, which ends with the test if not before.
func run(t testing.TB, c config.Config) *running {
	t.Helper()
	log := new(logBuffer)
	return runLogging(t, c, log, hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: log}))
}

// runLogging is run with a logger that writes to log.
func runLogging(t testing.TB, c config.Config, log *logBuffer, logger hclog.Logger) *running {
	t.Helper()
	a, err := New(c, logger, Build{Version: "test", Revision: "abc"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Agent: a, log: log, stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		r.end(t)
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	return r
}

// end ends the agent and returns what Run did.
func (r *running) end(t testing.TB) error {
	t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the agent does not end")
		return nil
	}
}

func (r *running) url(upstream string) string { return "http://" + r.Addresses()[upstream] }

// get returns an answer and its body.
func get(t testing.TB, url string) (*http.Response, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (r *running) explained(t testing.TB, upstream string) (e Explanation) {
	t.Helper()
	_, body := get(t, r.url("admin")+"/v1/upstreams/"+upstream)
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return e
}

// eventually waits for what other goroutines bring about.
func eventually(t testing.TB, what string, check func() bool) {
	t.Helper()
	// Many checks take a connection each, and ports are not that many.
	pause := 5 * time.Millisecond
	for deadline := time.Now().Add(15 * time.Second); !check(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		pause = min(pause*5/4, 20*time.Millisecond)
	}
}

// backend answers with its name, and closes with the test.
func backend(t testing.TB, name string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// consulServer is a catalog that can be stopped and started again at the same
// address.
type consulServer struct {
	address string
	handler http.Handler
	faults  *catalog.Faults
	server  *http.Server
	seen    requests
}

func startConsul(t testing.TB) *consulServer {
	t.Helper()
	embedded := catalog.New(catalog.Options{})
	c := &consulServer{handler: embedded, faults: embedded.Faults(), address: "127.0.0.1:0"}
	c.start(t)
	t.Cleanup(c.stop)
	return c
}

func (c *consulServer) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	c.address, c.server = l.Addr().String(), &http.Server{Handler: c.seen.count(c.handler), ConnState: c.seen.connection}
	server := c.server
	go func() { _ = server.Serve(l) }()
}

func (c *consulServer) stop() { _ = c.server.Close() }

// put makes a call that changes something.
func (c *consulServer) put(t testing.TB, path, body string) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+c.address+path, strings.NewReader(body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

func (c *consulServer) register(t testing.TB, service, id, address string) {
	t.Helper()
	client, err := consul.New(consul.Config{Address: c.address})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Register(t.Context(), consul.Registration{ID: id, Name: service, Address: "127.0.0.1", Port: tcp.Port}); err != nil {
		t.Fatal(err)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
