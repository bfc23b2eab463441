package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const repository = "../../.."

// running is an agent of its own process, with the demo's catalog.
type running struct {
	admin     string            // address of the admin listener
	catalog   string            // address of the demo's
	upstreams map[string]string // addresses by name
}

// build builds the program.
func build(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "outrigger")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = repository
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// startAgent starts an agent and returns once it is ready.
func startAgent(t *testing.T) *running {
	t.Helper()
	dir, program, store := t.TempDir(), build(t), startStore(t)
	text, err := os.ReadFile("testdata/agent.hcl")
	if err != nil {
		t.Fatal(err)
	}
	// Who calls from a port does not listen there, and nobody else can.
	caller, err := net.Dial("tcp", store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { caller.Close() })
	config := strings.NewReplacer(
		"STORE", store, "NOBODY", caller.LocalAddr().String(), "ACCESS_LOG", filepath.ToSlash(filepath.Join(dir, "access.log")),
	).Replace(string(text))
	path := filepath.Join(dir, "agent.hcl")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	said := start(t, exec.Command(program, "agent", "-dev", "-dev-catalog", "127.0.0.1:0", "-config", path))

	r := &running{upstreams: make(map[string]string)}
	eventually(t, func() error {
		text := said()
		for what, into := range map[string]*string{`catalog of its own at http://(\S+),`: &r.catalog, `http://(\S+)/metrics`: &r.admin} {
			found := regexp.MustCompile(what).FindStringSubmatch(text)
			if found == nil {
				return fmt.Errorf("%s is not in what the agent says:\n%s", what, text)
			}
			*into = found[1]
		}
		return nil
	})
	var status struct {
		Upstreams []struct{ Name, Listen string }
	}
	if err := json.Unmarshal(ask(t, http.MethodGet, "http://"+r.admin+"/v1/status"), &status); err != nil {
		t.Fatal(err)
	}
	for _, u := range status.Upstreams {
		r.upstreams[u.Name] = u.Listen
	}
	return r
}

// startStore starts a backend that answers /status/404 with a 404, takes a
// while for /slow and is quick otherwise.
func startStore(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		if n, _ := fmt.Sscanf(r.URL.Path, "/status/%d", &status); n == 1 {
			w.WriteHeader(status)
		}
		if r.URL.Path == "/slow" {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// use has apps do what they do, until ctx ends: all that there can be
// happens at least once, and the usual again and again.
func (r *running) use(ctx context.Context) {
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	call := func(upstream, path string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.upstreams[upstream]+path, nil)
		if err != nil {
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	for round := 0; ctx.Err() == nil; round++ {
		call("web", "/")
		call("shop", "/")
		call("lost", "/")
		call("bank", "/") // a stream of bytes like any other
		call("safe", "/")
		call("shop", fmt.Sprintf("/status/%d", 200+round%300)) // more than there is room for, none of which is a failure
		if round%50 == 0 {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { call("till", "/slow") })
			}
			wg.Wait()
		}
	}
}

// emitted is the series that an agent has at this moment, asked as Prometheus 3
// asks, to which names with dots could be told as well.
func emitted(t *testing.T, admin string) vocabulary {
	t.Helper()
	v := make(vocabulary)
	series := regexp.MustCompile(`(?m)^([a-z_]+)(?:\{(.*)\})? [^ ]+$`)
	label := regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)
	for _, s := range series.FindAllStringSubmatch(string(ask(t, http.MethodGet, "http://"+admin+"/metrics", "text/plain;version=1.0.0;escaping=allow-utf-8")), -1) {
		if v[s[1]] == nil {
			v[s[1]] = setOf(scraped...)
		}
		for _, l := range label.FindAllStringSubmatch(s[2], -1) {
			v[s[1]][l[1]] = true
		}
	}
	return v
}

// start starts a process that ends with the test, and returns what it has said
// on both outputs until now.
func start(t *testing.T, cmd *exec.Cmd) (said func() string) {
	t.Helper()
	out := new(output)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), out.String())
		}
	})
	return out.String
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

// ask makes one request that must come out well.
func ask(t *testing.T, method, url string, accept ...string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Accept"] = accept
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, resp.Status, err, body)
	}
	return body
}

// eventually waits until there is no error any more.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
