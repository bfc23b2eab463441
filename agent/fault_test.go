package agent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// within measures how long something takes, which must be at most limit.
func within(t *testing.T, limit time.Duration, what string, check func() bool) {
	t.Helper()
	begin := time.Now()
	eventually(t, what, check)
	if took := time.Since(begin); took > limit {
		t.Errorf("it took %v until %s, more than %v", took, what, limit)
	}
}

// Every fault that Consul can have, each met by an upstream of its own, and then
// its death, while the app goes on calling: no request fails, no backend is
// removed, Consul is not hammered, and what it says then is soon in force. These
// are P2 to P6, P8 and P9. The faults are the front's; a real Consul cannot be
// made to have them.
func TestConsulFaultsUnderTraffic(t *testing.T) { consuls(t, testConsulFaults) }

func testConsulFaults(t *testing.T, consul *consulServer) {
	kinds := []catalog.FaultKind{
		catalog.NoLeader, catalog.TooManyRequests, catalog.Unavailable, catalog.Forbidden, catalog.Empty, catalog.ACLEmpty,
		catalog.Truncated, catalog.IndexGarbage, catalog.Null, catalog.Slow, catalog.IndexFalls, catalog.IndexZero, catalog.StaleViews,
	}
	const backends = 4
	var addresses []string
	for range backends + 2 {
		addresses = append(addresses, backend(t, "b"))
	}
	text := fmt.Sprintf("consul { address = %q }\n", consul.address)
	for _, kind := range kinds {
		for n := range backends {
			consul.register(t, string(kind), fmt.Sprint(kind, "-", n), addresses[n])
		}
		text += fmt.Sprintf(`
			upstream %q {
				listen = "127.0.0.1:0"
				consul { service = %q }
			}`, kind, kind)
	}
	a := run(t, parse(t, "%s", text))
	known := func(kind catalog.FaultKind) int { return len(a.explained(t, string(kind)).Backends) }
	var urls []string
	for _, kind := range kinds {
		urls = append(urls, a.url(string(kind)))
		eventually(t, "all are known", func() bool { return known(kind) == backends })
	}

	l := startLoad(urls, http.MethodGet)
	begin := time.Now()
	for _, kind := range kinds {
		path := "/v1/health/service/" + string(kind)
		if _, err := consul.faults.Set(catalog.Fault{Kind: kind, Path: path, Delay: 200 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		// What waits is let go by a change that changes nothing.
		consul.put(t, "/v1/agent/service/register", fmt.Sprintf(`{"Name": %q, "ID": "%s-0", "Address": "127.0.0.1", "Port": %s, "Meta": {"a": "b"}}`,
			kind, kind, addresses[0][strings.LastIndex(addresses[0], ":")+1:]))
	}
	const lasts = 2 * time.Second
	time.Sleep(lasts)
	for _, kind := range kinds {
		const burst = 3 // of the change before the fault, and of the first tries
		if n, most := consul.seen.since("/v1/health/service/"+string(kind), begin), burst+int(2*time.Since(begin)/time.Second); n > most {
			t.Errorf("%s: %d requests in %v", kind, n, time.Since(begin))
		}
		if e := a.explained(t, string(kind)); len(e.Backends) != backends || e.Backends[0].State != "up" {
			t.Errorf("%s: %d backends, %+v", kind, len(e.Backends), e.Catalog)
		}
	}
	consul.faults.Clear()
	for _, kind := range kinds {
		consul.register(t, string(kind), fmt.Sprint(kind, "-4"), addresses[backends])
	}
	caughtUp := func(want int) {
		t.Helper()
		// 2 s are promised, and used up by the pace of the tries: the rest is for
		// finding out.
		over, limit := time.Now(), 2*time.Second+100*time.Millisecond
		if slowly() {
			limit = 10 * time.Second
		}
		// Those too that were asked to leave Consul alone for 5 s and 10 s, since
		// others are answered.
		for _, kind := range kinds {
			within(t, limit-time.Since(over), string(kind)+" has caught up", func() bool {
				e := a.explained(t, string(kind))
				return len(e.Backends) == want && e.Catalog.Error == "" && e.Catalog.Suspicion == nil
			})
		}
	}
	caughtUp(backends + 1)

	consul.stop()
	time.Sleep(lasts)
	consul.start(t)
	for _, kind := range kinds {
		consul.register(t, string(kind), fmt.Sprint(kind, "-5"), addresses[backends+1])
	}
	caughtUp(backends + 2)
	l.end(t, 400)
	if strings.Contains(a.log.String(), "backend removed") {
		t.Error("a backend was removed")
	}
}

// pool is four backends in Consul, and an agent before them.
func pool(t *testing.T, consul *consulServer, strategy string) ([]*backendServer, *running) {
	t.Helper()
	backends := make([]*backendServer, 4)
	for n := range backends {
		backends[n] = startBackend(t, fmt.Sprint("web-", n))
		consul.register(t, "web", backends[n].name, backends[n].address)
	}
	a := run(t, parse(t, `
		consul { address = %q }
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = %q
			consul { service = "web" }
		}`, consul.address, strategy))
	eventually(t, "all are up", func() bool { return a.list()[0].balancer.Stats().Usable == len(backends) })
	return backends, a
}

// A backend that dies costs no request that can be repeated, is left alone at
// once, and is back soon after it listens again.
func TestBackendDiesUnderTraffic(t *testing.T) {
	for _, strategy := range []string{"round_robin", "least_response_time"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			backends, a := pool(t, startConsul(t), strategy)
			dying := func() lb.ServerStats {
				s, _ := a.list()[0].balancer.ServerStats("dev-node/web-2")
				return s
			}
			l := startLoad([]string{a.url("web")}, http.MethodGet)
			time.Sleep(300 * time.Millisecond)
			calls := backends[2].answered.Load()
			eventually(t, "it is called", func() bool { return backends[2].answered.Load() > calls }) // and so is not shunned
			backends[2].kill()
			within(t, 5*time.Second, "it is met", func() bool { return dying().Failures > 0 }) // least response time may come by seldom
			time.Sleep(100 * time.Millisecond)
			met := dying().Failures
			time.Sleep(500 * time.Millisecond)
			if more := dying().Failures - met; met > 10 || more > 1 {
				t.Errorf("%d requests met it at first, and %d later", met, more)
			}
			backends[2].start(t)
			within(t, 2*time.Second, "it is back", func() bool { return backends[2].answered.Load() > 0 })
			time.Sleep(200 * time.Millisecond)
			l.end(t, 200)
		})
	}
}

// A rolling deploy: each new one is registered, and the old one is deregistered
// and stopped at once, faster than a watch may ask. Only a POST that an old one
// has read, and closes the connection on without an answer, as net/http's server
// does in the moment between two of its states, cannot be saved: it may have been
// worked on. One that was not read is sent to another, as the connection's end
// proves that.
func TestRollingDeployUnderTraffic(t *testing.T) { consuls(t, testRollingDeploy) }

func testRollingDeploy(t *testing.T, consul *consulServer) {
	backends, a := pool(t, consul, "least_response_time")
	l := startLoad([]string{a.url("web")}, http.MethodGet, http.MethodPost)
	time.Sleep(200 * time.Millisecond)
	for n, old := range backends {
		next := startBackend(t, fmt.Sprint("new-", n))
		consul.register(t, "web", next.name, next.address)
		time.Sleep(300 * time.Millisecond)
		consul.deregister(t, old.name)
		old.shutDown()
	}
	eventually(t, "only the new ones are left", func() bool {
		n := 0
		for _, b := range a.explained(t, "web").Backends {
			if strings.Contains(b.ID, "web-") && b.State != "draining" {
				return false
			}
			if b.State == "up" {
				n++
			}
		}
		return n == len(backends)
	})
	lost := l.forgive("POST ", "the backend closed the connection before it answered")
	if lost > len(backends) {
		t.Errorf("%d POSTs are lost to %d backends", lost, len(backends))
	}
	l.end(t, 200)
}

// P1: with what Consul said last the app is served within a second although
// Consul is down, and else it is told that it cannot be.
func TestColdStart(t *testing.T) {
	consuls(t, func(t *testing.T, consul *consulServer) {
		consul.register(t, "web", "web-1", backend(t, "web-1"))
		configured := func(dir string) config.Config {
			return parse(t, `
				agent { data_dir = %q }
				consul { address = %q }
				upstream "web" {
					listen = "127.0.0.1:0"
					consul { service = "web" }
				}`, dir, consul.address)
		}
		kept := t.TempDir()
		serves := func(a *running) bool { _, body := get(t, a.url("web")); return body == "web-1" }
		a := run(t, configured(kept))
		eventually(t, "it serves", func() bool { return serves(a) })
		if err := a.end(t); err != nil {
			t.Fatal(err)
		}
		consul.stop()
		begin := time.Now()
		a = run(t, configured(kept))
		eventually(t, "it serves without Consul", func() bool { return serves(a) })
		if took := time.Since(begin); took > time.Second && !slowly() {
			t.Errorf("it serves after %v", took)
		}
		bare := run(t, configured(t.TempDir()))
		eventually(t, "Consul is missed", func() bool { return bare.explained(t, "web").Catalog.Error != "" })
		if resp, _ := get(t, bare.url("web")); resp.StatusCode != http.StatusServiceUnavailable || bare.Ready() {
			t.Errorf("without anything known it answers %s, and is ready: %t", resp.Status, bare.Ready())
		}
		consul.start(t)
		eventually(t, "both serve with Consul", func() bool {
			return serves(bare) && a.explained(t, "web").Catalog.Error == ""
		})
	})
}

// P11: an instance that is registered again at another port takes its requests
// with it, and who is given the old port next gets none of them.
func TestMovedInstanceUnderTraffic(t *testing.T) {
	consuls(t, func(t *testing.T, consul *consulServer) {
		old, next := startBackend(t, "old"), startBackend(t, "next")
		consul.register(t, "web", "web-1", old.address)
		a := run(t, parse(t, `
			consul { address = %q }
			upstream "web" {
				listen = "127.0.0.1:0"
				consul { service = "web" }
			}`, consul.address))
		eventually(t, "it is up", func() bool { return a.Ready() })
		l := startLoad([]string{a.url("web")}, http.MethodGet)
		eventually(t, "the old one is called", func() bool { return old.answered.Load() > 10 })
		consul.register(t, "web", "web-1", next.address)
		eventually(t, "the next one is called", func() bool { return next.answered.Load() > 0 })
		old.shutDown()
		stranger := &backendServer{name: "stranger", address: old.address}
		stranger.start(t)
		t.Cleanup(stranger.kill)
		before := next.answered.Load()
		eventually(t, "it goes on", func() bool { return next.answered.Load() > before+100 })
		l.end(t, 100)
		if n := stranger.answered.Load(); n > 0 {
			t.Errorf("a stranger got %d requests", n)
		}
	})
}

// Many upstreams that nobody calls hold a connection to Consul each, and ask
// once when it has waited long enough.
func TestIdleUpstreams(t *testing.T) {
	consul := startConsul(t)
	const upstreams = 64
	text := fmt.Sprintf("consul { address = %q }\n", consul.address)
	address := backend(t, "b")
	for n := range upstreams {
		consul.register(t, fmt.Sprint("s", n), fmt.Sprint("s", n), address)
		text += fmt.Sprintf(`
			upstream "s%d" {
				listen = "127.0.0.1:0"
				consul { service = "s%d" }
			}`, n, n)
	}
	before := time.Now()
	a := run(t, parse(t, "%s", text))
	asked := func() int { return consul.seen.since("/v1/health/", before) }
	eventually(t, "all wait", func() bool { return asked() >= 2*upstreams && a.Ready() })
	// Each has asked once for what there is, and once for what comes next, which
	// Consul answers after a minute.
	eventually(t, "each has one connection", func() bool { return consul.seen.connections() == upstreams })
	if n := asked(); n != 2*upstreams {
		t.Errorf("%d requests", n)
	}
	if log := a.log.String(); !strings.Contains(log, "many watches wait at Consul") || strings.Contains(log, "watches=65") {
		t.Error("that there are many is not told")
	}
}
