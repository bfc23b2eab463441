package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent"
)

// TestSelfRegistration has the built binary register the app beside it, keep it
// registered, and take it out before it drains.
func TestSelfRegistration(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	program := binary(t)
	catalogs(t, func(t *testing.T, c *consulServer) {
		app, ports := actor(t, "app", "127.0.0.1:0"), freePorts(t, 2)
		name, upstream, admin := fmt.Sprintf("shop-%d", os.Getpid()), "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
		_, port, _ := net.SplitHostPort(app.address)
		path := filepath.Join(t.TempDir(), "agent.hcl")
		configure := func(tag string) {
			t.Helper()
			if err := os.WriteFile(path, fmt.Appendf(nil, `
consul { address = %q }
admin { listen = %q }
service %q {
  address         = "127.0.0.1"
  port            = %s
  tags            = [%q]
  deregister_wait = "2s"
  check "http" { interval = "1s" }
  check "tcp" { interval = "1s" }
  check "ttl" { ttl = "3s" }
}
upstream "needed" {
  listen = %q
  server "a" { address = %q }
}
`, c.address, admin, name, port, tag, upstream, app.address), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		configure("v1")
		log := new(lockedBuffer)
		cmd := exec.Command(program, "agent", "-config", path)
		cmd.Stderr = log
		process := started(t, cmd)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the agent's log:\n%s", log)
			}
		})

		var id string
		healthy := func(tag string) func() error {
			return func() error {
				var status agent.Status
				if err := json.Unmarshal([]byte(fetch("http://"+admin+"/v1/status")), &status); err != nil || status.Service == nil {
					return fmt.Errorf("no status yet: %w", err)
				}
				id = status.Service.ID
				body := fetch("http://" + c.address + "/v1/health/service/" + name + "?passing")
				for _, part := range []string{`"` + id + `"`, `"` + tag + `"`, id + "-http", id + "-tcp", id + "-ttl"} {
					if !strings.Contains(body, part) {
						return fmt.Errorf("%s is not in %s", part, body)
					}
				}
				return nil
			}
		}
		eventually(t, "the app is healthy in Consul", healthy("v1"))
		t.Cleanup(func() { _ = c.client(t).Deregister(t.Context(), id) }) // where the catalog is not ours
		if host, _ := os.Hostname(); !strings.HasPrefix(id, name+"-") || !strings.HasSuffix(id, "-"+port) || len(id) <= len(host) {
			t.Errorf("its ID is %q", id)
		}
		out, err := exec.CommandContext(t.Context(), program, "status", "-admin", admin).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "service "+name+" is registered as "+id) {
			t.Errorf("status: %v\n%s", err, out)
		}

		configure("v2")
		if err := process.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the change is in Consul", healthy("v2"))
		if c.process != nil && c.process.address != "" { // the embedded one, which keeps nothing
			c.process.kill()
			c.process = actor(t, "catalog", c.address)
			eventually(t, "the app is in Consul again", healthy("v2"))
		}

		if err := process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the app is out of Consul", func() error {
			if body := fetch("http://" + c.address + "/v1/health/service/" + name); strings.TrimSpace(body) != "[]" {
				return errors.New(body)
			}
			return nil
		})
		client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		if backend, err := ask(client, "http://"+upstream); backend != "app" || err != nil {
			t.Errorf("once the app is out its upstream answers %q, %v", backend, err)
		}
		select {
		case <-process.exited:
		case <-time.After(10 * time.Second):
			t.Fatal("it does not end")
		}
		if code := process.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

// TestDevCatalogProcess runs the catalog as people do.
func TestDevCatalogProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	program, port := binary(t), freePorts(t, 1)[0]
	stdout := new(lockedBuffer)
	cmd := exec.Command(program, "dev-catalog", "-listen", "127.0.0.1:"+port, "-faults")
	cmd.Stdout = stdout
	p := started(t, cmd)
	eventually(t, "it answers", func() error {
		if body := fetch("http://127.0.0.1:" + port + "/v1/status/leader"); !strings.HasPrefix(body, `"127.0.0.1:`) {
			return errors.New(body)
		}
		return nil
	})
	if text := stdout.String(); !strings.Contains(text, "curl -X PUT 'http://127.0.0.1:"+port+"/v1/dev/fault?kind=no-leader'") {
		t.Errorf("it prints %s", text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	second := exec.CommandContext(ctx, program, "dev-catalog", "-listen", "127.0.0.1:"+port)
	out, err := second.CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "address already in use") {
		t.Errorf("a second one: %v %s", err, out)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
	if code := p.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
