package agent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

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
// removed, Consul is not hammered, and what it says then is soon in force.
func TestConsulFaultsUnderTraffic(t *testing.T) {
	t.Parallel()
	// These ask to be left alone for a while: 5 s and 10 s at least.
	patient := map[catalog.FaultKind]bool{catalog.TooManyRequests: true, catalog.Unavailable: true, catalog.Forbidden: true}
	kinds := []catalog.FaultKind{
		catalog.NoLeader, catalog.TooManyRequests, catalog.Unavailable, catalog.Forbidden, catalog.Empty, catalog.ACLEmpty,
		catalog.Truncated, catalog.IndexGarbage, catalog.Null, catalog.Slow, catalog.IndexFalls, catalog.IndexZero, catalog.StaleViews,
	}
	consul := startConsul(t)
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
		if _, err := consul.catalog.Faults().Set(catalog.Fault{Kind: kind, Path: path, Delay: 200 * time.Millisecond}); err != nil {
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
	consul.catalog.Faults().Clear()
	for _, kind := range kinds {
		consul.register(t, string(kind), fmt.Sprint(kind, "-4"), addresses[backends])
	}
	caughtUp := func(want int) {
		t.Helper()
		over := time.Now()
		for _, kind := range kinds {
			if !patient[kind] {
				within(t, 2500*time.Millisecond-time.Since(over), string(kind)+" has caught up", func() bool {
					e := a.explained(t, string(kind))
					return len(e.Backends) == want && e.Catalog.Error == "" && e.Catalog.Suspicion == nil
				})
			}
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
func pool(t *testing.T, strategy string) (*consulServer, []*backendServer, *running) {
	t.Helper()
	consul := startConsul(t)
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
	return consul, backends, a
}

// A backend that dies costs no request that can be repeated, is left alone at
// once, and is back soon after it listens again.
func TestBackendDiesUnderTraffic(t *testing.T) {
	for _, strategy := range []string{"round_robin", "least_response_time"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			_, backends, a := pool(t, strategy)
			dying := func() lb.ServerStats {
				s, _ := a.list()[0].balancer.ServerStats("dev-node/web-2")
				return s
			}
			l := startLoad([]string{a.url("web")}, http.MethodGet)
			time.Sleep(300 * time.Millisecond)
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
// and stopped at once, faster than a watch may ask. Only a POST that is on its
// way to an old one at the very moment at which that closes the connection
// cannot be saved: it may have been worked on.
func TestRollingDeployUnderTraffic(t *testing.T) {
	t.Parallel()
	consul, backends, a := pool(t, "least_response_time")
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
	time.Sleep(time.Second)
	// Each has asked once for what there is, and once for what comes next, which
	// Consul answers after a minute.
	if n, open := asked(), consul.seen.connections(); n != 2*upstreams || open > upstreams+8 {
		t.Errorf("%d requests over %d connections", n, open)
	}
	if log := a.log.String(); !strings.Contains(log, "many watches wait at Consul") || strings.Contains(log, "watches=65") {
		t.Error("that there are many is not told")
	}
}
