package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// registered is what Consul has under an ID, nil for nothing.
func (c *consulServer) registered(t testing.TB, id string) map[string]any {
	t.Helper()
	resp, body := get(t, "http://"+c.address+"/v1/agent/service/"+id)
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	var service map[string]any
	if err := json.Unmarshal([]byte(body), &service); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return service
}

func (r *running) status(t testing.TB) (s Status) {
	t.Helper()
	_, body := get(t, r.url("admin")+"/v1/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return s
}

// Consul comes late and is lost, the configuration changes, and at each time
// what is registered is what should be.
func TestServiceIsKeptInConsul(t *testing.T) {
	server := startConsul(t)
	server.stop()
	configured := func(service string) config.Config {
		return parse(t, `
			consul { address = %q }
			upstream "web" {
				listen = "127.0.0.1:0"
				consul { service = "web" }
			}
			upstream "static" {
				listen = "127.0.0.1:0"
				server "one" { address = %q }
			}
			%s`, server.address, backend(t, "one"), service)
	}
	const service = `
		service "shop" {
			id              = "shop-1"
			port            = 8080
			tags            = [%q]
			deregister_wait = "0s"
			check "ttl" {
				address = %q
				ttl     = "3s"
			}
		}`
	app := backend(t, "shop")
	a := run(t, configured(fmt.Sprintf(service, "v1", app)))
	if _, body := get(t, a.url("static")); body != "one" {
		t.Errorf("without Consul an upstream says %q", body)
	}
	eventually(t, "the failure is reported", func() bool {
		s := a.status(t).Service
		return s != nil && s.ID == "shop-1" && !s.Registered && s.Error != ""
	})

	server.start(t)
	eventually(t, "it is registered", func() bool { return server.registered(t, "shop-1") != nil })
	eventually(t, "that is reported", func() bool { s := a.status(t).Service; return s.Registered && s.Error == "" })
	passing := func() bool {
		_, body := get(t, "http://"+server.address+"/v1/health/service/shop?passing")
		return strings.Contains(body, "shop-1") && strings.Contains(body, "connected")
	}
	eventually(t, "the app was seen to listen", passing)

	server.stop()
	server.handler = catalog.New(catalog.Options{}) // its state is lost
	server.start(t)
	eventually(t, "it is registered again", passing)

	if err := a.Reload(configured(fmt.Sprintf(service, "v2", app))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the tags changed", func() bool { return fmt.Sprint(server.registered(t, "shop-1")["Tags"]) == "[v2]" })
	if err := a.Reload(configured("")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it was taken out", func() bool { return server.registered(t, "shop-1") == nil })
	if s := a.status(t).Service; s != nil {
		t.Errorf("reported as %+v", s)
	}
	if err := a.Reload(configured(fmt.Sprintf(service, "v3", app))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", func() bool { return server.registered(t, "shop-1") != nil })

	// A reload that fails changes nothing, here either.
	broken := configured("")
	broken.Consul.TLS.CAFile = "nowhere.pem"
	if err := a.Reload(broken); err == nil {
		t.Error("a missing file is no mistake")
	}
	broken = configured(fmt.Sprintf(service, "v4", app))
	broken.Consul.TLS.CAFile = "nowhere.pem"
	if err := a.Reload(broken); err == nil {
		t.Error("a missing file is no mistake")
	}
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	if s := server.registered(t, "shop-1"); s != nil {
		t.Errorf("after the end there is %v", s)
	}
	if log := a.log.String(); strings.Count(log, "cannot tell Consul") > 2 {
		t.Error("it complains too often")
	}
}

// An app goes without a failed request of those who call it: it leaves Consul
// first, goes on with its upstreams until the others have seen that, and only
// then its agent drains.
func TestServiceLeavesBeforeTheDrain(t *testing.T) {
	server := startConsul(t)
	var asked atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "app")
	}))
	defer app.Close()
	server.register(t, "shop", "shop-2", backend(t, "other"))
	_, port, _ := net.SplitHostPort(app.Listener.Addr().String())
	beside := run(t, parse(t, `
		consul { address = %q }
		service "shop" {
			id              = "shop-1"
			address         = "127.0.0.1"
			port            = %s
			deregister_wait = "4s" # a watch takes up to 2 s, by the rate that it keeps
		}
		upstream "needed" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
		}`, server.address, port, backend(t, "needed")))
	caller := run(t, parse(t, `
		consul { address = %q }
		upstream "shop" {
			listen = "127.0.0.1:0"
			consul { service = "shop" }
		}`, server.address))
	stateOf := func() string {
		for _, b := range caller.explained(t, "shop").Backends {
			if strings.HasSuffix(b.ID, "/shop-1") {
				return b.State
			}
		}
		return ""
	}
	eventually(t, "the app is called", func() bool {
		_, body := get(t, caller.url("shop"))
		return body == "app" && stateOf() == "up"
	})

	var load sync.WaitGroup
	var mu sync.Mutex
	var failures []string
	stop, fail := make(chan struct{}), func(why string) {
		mu.Lock()
		defer mu.Unlock()
		failures = append(failures, why)
	}
	url := caller.url("shop")
	for range 4 {
		load.Go(func() {
			client := &http.Client{Transport: new(http.Transport), Timeout: 10 * time.Second}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				resp, err := client.Get(url)
				if err != nil {
					fail(err.Error())
					continue
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					fail(resp.Status + " " + string(body))
				}
			}
		})
	}
	needed := beside.url("needed")
	beside.stop()
	eventually(t, "the caller sees it go", func() bool { s := stateOf(); return s == "draining" || s == "" })
	if s := beside.status(t); s.State != "draining" || s.Service != nil {
		t.Errorf("meanwhile its agent is %s, with %+v", s.State, s.Service)
	}
	if resp, body := get(t, needed); body != "needed" {
		t.Errorf("meanwhile the app's own upstream says %d %q", resp.StatusCode, body)
	}
	if err := beside.end(t); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(needed, "http://")); err == nil {
		conn.Close()
		t.Error("at the end its upstream still listens")
	}
	app.CloseClientConnections()
	app.Close()
	before := asked.Load()
	for range 50 {
		get(t, url)
	}
	close(stop)
	load.Wait()
	if len(failures) > 0 {
		t.Errorf("%d requests failed: %q", len(failures), failures[:min(3, len(failures))])
	}
	if asked.Load() != before {
		t.Error("the app was called after it was gone")
	}
}
