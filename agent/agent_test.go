package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func handler(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// An agent that cannot have a port says which, and takes none.
func TestNewTakesAllOrNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	c := parse(t, `
		upstream "first" {
			listen = %q
			server "one" { address = "127.0.0.1:1" }
		}
		upstream "second" {
			listen = %q
			server "one" { address = "127.0.0.1:1" }
		}`, free.Addr(), taken.Addr())
	_, err = New(c, hclog.NewNullLogger(), Build{})
	if err == nil || !strings.Contains(err.Error(), `upstream "second"`) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
	again, err := net.Listen("tcp", free.Addr().String())
	if err != nil {
		t.Fatalf("the first port was kept: %v", err)
	}
	again.Close()
}

func TestBackendsComeFromTheCatalog(t *testing.T) {
	consul := startConsul(t)
	consul.register(t, "web", "web-1", backend(t, "web-1"))
	a := run(t, parse(t, `
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { service = "web" }
		}`, consul.address))
	eventually(t, "the first is there", func() bool { _, body := get(t, a.url("web")); return body == "web-1" })
	consul.register(t, "web", "web-2", backend(t, "web-2"))
	eventually(t, "the second is there", func() bool { _, body := get(t, a.url("web")); return body == "web-2" })
	e := a.explained(t, "web")
	if len(e.Backends) != 2 || e.Backends[0].ID != "dev-node/web-1" || e.Catalog.Freshness != "fresh" || e.Catalog.Index == 0 {
		t.Errorf("explained as %+v", e)
	}
	consul.stop()
	eventually(t, "the loss is noticed", func() bool { return a.explained(t, "web").Catalog.Error != "" })
	for range 20 {
		if resp, _ := get(t, a.url("web")); resp.StatusCode != 200 {
			t.Fatalf("without Consul: %d", resp.StatusCode)
		}
	}
	consul.start(t)
	eventually(t, "the watch goes on", func() bool { return a.explained(t, "web").Catalog.Error == "" })
	if log := a.log.String(); !strings.Contains(log, "no answer from Consul") || !strings.Contains(log, "Consul answers again") {
		t.Errorf("the log does not tell")
	}
}

// With a data directory an agent serves before Consul answers, even if that
// never happens.
func TestStartWithoutConsul(t *testing.T) {
	consul := startConsul(t)
	consul.register(t, "web", "web-1", backend(t, "web-1"))
	consul.put(t, "/v1/agent/service/register", `{"Name": "web", "ID": "sick", "Port": 1, "Check": {"TTL": "1h"}}`)
	dir := t.TempDir()
	c := func(service string) string {
		return fmt.Sprintf(`
			agent { data_dir = %q }
			consul {
				address      = %q
				start_jitter = "0s"
			}
			upstream "web" {
				listen = "127.0.0.1:0"
				consul { service = %q }
			}`, dir, consul.address, service)
	}
	a := run(t, parse(t, "%s", c("web")))
	eventually(t, "it serves", func() bool { _, body := get(t, a.url("web")); return body == "web-1" })
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	consul.stop()

	a = run(t, parse(t, "%s", c("web")))
	begin := time.Now()
	eventually(t, "it serves without Consul", func() bool { _, body := get(t, a.url("web")); return body == "web-1" })
	if took := time.Since(begin); took > time.Second {
		t.Errorf("that took %v", took)
	}
	eventually(t, "Consul is missed", func() bool { return a.explained(t, "web").Catalog.Error != "" })
	e := a.explained(t, "web")
	if e.Catalog.Freshness != "stale" || e.Catalog.Age <= 0 || !e.Ready {
		t.Errorf("explained as %+v", e.Catalog)
	}
	if sick := e.Backends[0]; sick.ID != "dev-node/sick" || sick.Rule != 9 {
		t.Errorf("what was critical when Consul was last heard is %+v", sick)
	}
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}

	// The answer to another question, and a damaged file, are not believed.
	a = run(t, parse(t, "%s", c("other")))
	if resp, _ := get(t, a.url("web")); resp.StatusCode != 503 {
		t.Errorf("another service's backends are used: %d", resp.StatusCode)
	}
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "web.snapshot.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	a = run(t, parse(t, "%s", c("web")))
	eventually(t, "the damage is told", func() bool { return strings.Contains(a.log.String(), "damaged") })
	consul.start(t)
	eventually(t, "it serves with Consul", func() bool { _, body := get(t, a.url("web")); return body == "web-1" })
}

// keep opens a connection to an upstream and returns how to ask over it.
func keep(t *testing.T, address string) func() (status int, body string, closing bool) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	reader := bufio.NewReader(conn)
	return func() (int, string, bool) {
		t.Helper()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Close
	}
}

func TestReloadKeepsWhatIsTheSame(t *testing.T) {
	one, two := backend(t, "one"), backend(t, "two")
	format := `
		upstream "same" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
		}
		upstream "changing" {
			listen   = "127.0.0.1:0"
			strategy = %q
			server "one" { address = %q }
		}`
	a := run(t, parse(t, format, one, "round_robin", one))
	before := a.Addresses()
	same, changing := keep(t, before["same"]), keep(t, before["changing"])
	same()
	changing()
	if err := a.Reload(parse(t, format, one, "random", two)); err != nil {
		t.Fatal(err)
	}
	if after := a.Addresses(); after["same"] != before["same"] || after["changing"] != before["changing"] {
		t.Errorf("listeners went from %v to %v", before, after)
	}
	if _, body, closing := same(); body != "one" || closing {
		t.Errorf("over the kept connection came %q, closing %v", body, closing)
	}
	if _, body, closing := changing(); body != "two" || closing {
		t.Errorf("over the kept connection came %q, closing %v", body, closing)
	}
	if e := a.explained(t, "same"); e.Backends[0].Requests != 2 {
		t.Errorf("the unchanged upstream lost its numbers: %+v", e.Backends)
	}
	if e := a.explained(t, "changing"); e.Strategy != "random" || len(e.Backends) != 2 || e.Backends[1].State != "draining" {
		t.Errorf("the changed one is %+v", e)
	}
	_, body := get(t, a.url("admin")+"/v1/status")
	if !strings.Contains(body, `"last_reload"`) || strings.Contains(body, `"error":`) {
		t.Errorf("status says %s", body)
	}
}

// Other settings put a new server behind the same socket; connections of the
// old one are told to go, and lose nothing.
func TestReloadOfServingSettings(t *testing.T) {
	one := backend(t, "one")
	format := `
		upstream "web" {
			listen = "127.0.0.1:0"
			timeouts { connect = %q }
			server "one" { address = %q }
		}`
	a := run(t, parse(t, format, "1s", one))
	before := a.Addresses()["web"]
	ask := keep(t, before)
	ask()
	if err := a.Reload(parse(t, format, "2s", one)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old connection is told to close", func() bool {
		status, body, closing := ask()
		if status != 200 || body != "one" {
			t.Fatalf("the old connection: %d %q", status, body)
		}
		return closing
	})
	if after := a.Addresses()["web"]; after != before {
		t.Errorf("the listener moved from %s to %s", before, after)
	}
	if _, body := get(t, a.url("web")); body != "one" {
		t.Errorf("the new server says %q", body)
	}
}

func TestReloadMovesListeners(t *testing.T) {
	one, two := backend(t, "one"), backend(t, "two")
	ports := make([]string, 3)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().String()
		l.Close()
	}
	format := `
		upstream %q {
			listen = %q
			server "s" { address = %q }
		}
		upstream %q {
			listen = %q
			server "s" { address = %q }
		}`
	a := run(t, parse(t, format, "a", ports[0], one, "b", ports[1], two))
	says := func(address, want string) {
		t.Helper()
		if _, body := get(t, "http://"+address); body != want {
			t.Errorf("%s says %q, want %q", address, body, want)
		}
	}
	says(ports[0], "one")
	says(ports[1], "two")
	if err := a.Reload(parse(t, format, "a", ports[1], one, "b", ports[0], two)); err != nil { // they swap
		t.Fatal(err)
	}
	says(ports[0], "two")
	says(ports[1], "one")
	if err := a.Reload(parse(t, format, "renamed", ports[1], one, "b", ports[2], two)); err != nil {
		t.Fatal(err)
	}
	says(ports[1], "one")
	says(ports[2], "two")
	if _, err := net.Dial("tcp", ports[0]); err == nil {
		t.Error("a port that nobody has any more is still listened on")
	}
	if resp, _ := get(t, a.url("admin")+"/v1/upstreams/a"); resp.StatusCode != 404 {
		t.Error("an upstream that is gone is still known")
	}
}

func TestReloadThatCannotBindChangesNothing(t *testing.T) {
	one := backend(t, "one")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	format := `
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = %q
			server "one" { address = %q }
		}`
	a := run(t, parse(t, format, "round_robin", one))
	before := a.Addresses()["web"]
	err = a.Reload(parse(t, format+`
		upstream "more" {
			listen = %q
			server "one" { address = %q }
		}`, "random", one, taken.Addr(), one))
	if err == nil || !strings.Contains(err.Error(), `upstream "more"`) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if e := a.explained(t, "web"); e.Strategy != "round_robin" || e.Listen != before {
		t.Errorf("a part of it was put in force: %+v", e)
	}
	if _, body := get(t, a.url("admin")+"/v1/status"); !strings.Contains(body, "more") {
		t.Errorf("status does not tell of the failed reload: %s", body)
	}
}

func TestReloadChangesTheProtocol(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			conn.Close()
		}
	}()
	format := `
		upstream "web" {
			listen   = "127.0.0.1:0"
			protocol = %q
			server "one" { address = %q }
		}`
	a := run(t, parse(t, format, "http", backend(t, "one")))
	before := a.Addresses()["web"]
	get(t, a.url("web"))
	if err := a.Reload(parse(t, format, "tcp", echo.Addr())); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", before)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "any bytes")
	_ = conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "any bytes" {
		t.Errorf("%q, %v", got, err)
	}
}

// A changed question keeps the old answer until there is a new one; servers
// that are written down take the place of discovered ones at once.
func TestReloadChangesWhatIsDiscovered(t *testing.T) {
	consul := startConsul(t)
	consul.register(t, "one", "one-1", backend(t, "one"))
	consul.register(t, "two", "two-1", backend(t, "two"))
	discovered := `
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { service = %q }
			limits { max_requests_per_server = %d }
		}`
	a := run(t, parse(t, discovered, consul.address, "one", 0))
	says := func(want string) func() bool {
		return func() bool { _, body := get(t, a.url("web")); return body == want }
	}
	eventually(t, "one answers", says("one"))
	if err := a.Reload(parse(t, discovered, consul.address, "two", 0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two answers", func() bool {
		resp, body := get(t, a.url("web"))
		if resp.StatusCode != 200 {
			t.Fatalf("in between came %d", resp.StatusCode)
		}
		return body == "two"
	})
	if err := a.Reload(parse(t, discovered, consul.address, "two", 7)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the limit is in force", func() bool {
		st := a.list()[0].balancer.AllStats()
		return len(st) > 0 && st[0].Server.MaxConnections == 7
	})
	if err := a.Reload(parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "three" { address = %q }
		}`, backend(t, "three"))); err != nil {
		t.Fatal(err)
	}
	if !says("three")() {
		t.Error("the written-down server is not used")
	}
	if e := a.explained(t, "web"); e.Catalog != nil {
		t.Errorf("there is still a catalog: %+v", e.Catalog)
	}
	other := startConsul(t)
	other.register(t, "one", "one-9", backend(t, "nine"))
	if err := a.Reload(parse(t, discovered, other.address, "one", 0)); err != nil { // another Consul
		t.Fatal(err)
	}
	eventually(t, "the other Consul's answers", says("nine"))
}

// Two upstreams that ask the same share one watch.
func TestWatchesAreShared(t *testing.T) {
	consul := startConsul(t)
	consul.register(t, "web", "web-1", backend(t, "web-1"))
	upstream := `
		upstream %q {
			listen = "127.0.0.1:0"
			consul {
				service = "web"
				filter  = %q
			}
		}`
	a := run(t, parse(t, `consul { address = %q }`+upstream+upstream+upstream, consul.address, "a", "", "b", "", "c", `Service.ID == "web-1"`))
	for _, name := range []string{"a", "b", "c"} {
		eventually(t, name+" is served", func() bool { _, body := get(t, a.url(name)); return body == "web-1" })
	}
	if n := a.hub.Len(); n != 2 {
		t.Errorf("%d watches for two questions", n)
	}
}

func TestReloadOfHealth(t *testing.T) {
	format := `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
			%s
		}`
	one := backend(t, "one")
	a := run(t, parse(t, format, one, ""))
	if p := a.explained(t, "web").Backends[0].Probe; p.Status != "off" {
		t.Errorf("without a check: %+v", p)
	}
	if err := a.Reload(parse(t, format, one, "health {\n check \"http\" { interval = \"50ms\" }\n}")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is probed", func() bool {
		p := a.explained(t, "web").Backends[0].Probe
		return p.Status == "up" && p.Output == "200 OK one"
	})
	if err := a.Reload(parse(t, format, one, "")); err != nil {
		t.Fatal(err)
	}
	if p := a.explained(t, "web").Backends[0].Probe; p.Status != "off" {
		t.Errorf("without a check again: %+v", p)
	}
}

func TestSecondReloadWhileDrainingIsRefused(t *testing.T) {
	c := parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "one" { address = "127.0.0.1:1" }
		}`)
	a := run(t, c)
	eventually(t, "it runs", func() bool { return strings.Contains(a.log.String(), "serving") })
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(c); err == nil || !strings.Contains(err.Error(), "draining") {
		t.Errorf("got %v", err)
	}
	a.ReloadFailed(errors.New("no matter"))
}
