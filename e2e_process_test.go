package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
)

// The end-to-end test runs the built binary, and in other processes what it
// works with. Those are this test binary again, which plays the part that
// OUTRIGGER_E2E names.
func TestMain(m *testing.M) {
	switch part := os.Getenv("OUTRIGGER_E2E"); part {
	case "":
		os.Exit(m.Run())
	case "catalog":
		play(catalog.New(catalog.Options{}))
	default:
		play(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				time.Sleep(300 * time.Millisecond)
			}
			w.Header().Set("X-Backend", part)
			w.Header().Set("X-Traceparent", r.Header.Get("Traceparent"))
			_, _ = io.WriteString(w, part)
		}))
	}
}

// play serves on the address in OUTRIGGER_E2E_LISTEN until standard input
// ends, as it does when the test does, however that comes.
func play(handler http.Handler) {
	l, err := net.Listen("tcp", os.Getenv("OUTRIGGER_E2E_LISTEN"))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("listening", l.Addr())
	if c, ok := handler.(*catalog.Catalog); ok {
		go func() { _ = c.Run(context.Background()) }()
	}
	go func() { _ = http.Serve(l, handler) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// process is one of the other processes.
type process struct {
	*exec.Cmd
	address string
	exited  chan struct{}
}

// actor starts this binary in a part, and returns once it listens.
func actor(t *testing.T, part, listen string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "OUTRIGGER_E2E="+part, "OUTRIGGER_E2E_LISTEN="+listen)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := started(t, cmd)
	line, _ := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening ")
	if !ok {
		t.Fatalf("%s: %s", part, line)
	}
	p.address = address
	return p
}

func started(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.Process.Kill()
	<-p.exited
}

// binary builds the program.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outrigger")
	args := []string{"build", "-o", path}
	if raceDetector { // then the program too
		args = append(args, "-race")
	}
	if out, err := exec.CommandContext(t.Context(), "go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// catalogs are the Consuls to run a test against: the embedded one always, and
// a real one where OUTRIGGER_TEST_CONSUL says how to get it, by the path of
// its program or the address of one that runs.
func catalogs(t *testing.T, test func(t *testing.T, c *consulServer)) {
	t.Run("embedded", func(t *testing.T) {
		p := actor(t, "catalog", "127.0.0.1:0")
		test(t, &consulServer{address: p.address, process: p})
	})
	where := os.Getenv("OUTRIGGER_TEST_CONSUL")
	if where == "" {
		return
	}
	t.Run("real", func(t *testing.T) {
		if address, ok := strings.CutPrefix(where, "http://"); ok {
			test(t, &consulServer{address: strings.TrimSuffix(address, "/")})
			return
		}
		ports := freePorts(t, 4)
		p := started(t, exec.Command(where, "agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-log-level", "error",
			"-grpc-port", "-1", "-grpc-tls-port", "-1", "-dns-port", "-1", "-http-port", ports[0],
			"-server-port", ports[1], "-serf-lan-port", ports[2], "-serf-wan-port", ports[3]))
		c := &consulServer{address: "127.0.0.1:" + ports[0], process: p}
		eventually(t, "Consul has a leader", func() error {
			if body := fetch("http://" + c.address + "/v1/health/service/consul?passing"); !strings.Contains(body, "serfHealth") {
				return errors.New(body)
			}
			return nil
		})
		test(t, c)
	})
}

// consulServer is a catalog under test.
type consulServer struct {
	address string
	process *process // nil for one that is not ours
}

func (c *consulServer) client(t *testing.T) *consul.Client {
	t.Helper()
	client, err := consul.New(consul.Config{Address: c.address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// registerAt registers an instance of a service, until the test ends.
func (c *consulServer) registerAt(t *testing.T, service, port string) {
	t.Helper()
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	client := c.client(t)
	if err := client.Register(t.Context(), consul.Registration{ID: service, Name: service, Address: "127.0.0.1", Port: number}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Deregister(context.Background(), service) }) // where the catalog is not ours
}

// put makes a call that changes something in Consul.
func (c *consulServer) put(t *testing.T, path string) {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+c.address+path, nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, resp.Status)
	}
}

func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports
}

// fetch returns the body of a page, or the error as text.
func fetch(url string) string {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// eventually waits for another process to bring something about.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("waited in vain until %s: %v", what, err)
}

// load makes requests from several clients at once, each with one kept
// connection, until it is stopped.
type load struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	answers  map[string]int // by backend
	failures []string
}

func startLoad(url string, clients int) *load {
	l := &load{stop: make(chan struct{}), answers: make(map[string]int)}
	for range clients {
		l.wg.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				l.note(ask(client, url))
			}
		})
	}
	return l
}

func ask(client *http.Client, url string) (backend string, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return resp.Header.Get("X-Backend"), err
}

func (l *load) note(backend string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, err.Error())
		return
	}
	l.answers[backend]++
}

// end stops the load and returns what came of it.
func (l *load) end() (answers map[string]int, failures []string) {
	close(l.stop)
	l.wg.Wait()
	return l.answers, l.failures
}
