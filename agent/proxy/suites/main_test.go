package suites

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the agent.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "suites")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "outrigger")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("..", "..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// agent is one that runs.
type agent struct {
	address string // of its upstream
	pid     int
}

// start runs an agent with one upstream until the test ends. more is more of
// the upstream's configuration.
func start(t *testing.T, backend, more string) agent {
	t.Helper()
	ports := freePorts(t, 2)
	address, admin := "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
	path := filepath.Join(t.TempDir(), "agent.hcl")
	config := fmt.Sprintf(`
		agent {
		  log_level     = "warn"
		  drain_timeout = "1s"
		}
		admin { listen = %q }
		upstream "web" {
		  listen = %q
		  server "one" { address = %q }
		  %s
		}
	`, admin, address, backend, more)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "agent", "-config", path)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the agent ended with %v", err)
		}
		if strings.Contains(said.String(), "panic") || t.Failed() {
			t.Errorf("the agent said:\n%s", said.String())
		}
	})
	ready := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/readyz", nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the agent does not get ready")
		}
	}
	return agent{address: address, pid: cmd.Process.Pid}
}

// web is a backend of HTTP/1.1 that answers with so many bytes.
func web(t *testing.T, size int) string {
	t.Helper()
	body := bytes.Repeat([]byte("x"), size)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

// freePorts are different ones.
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
