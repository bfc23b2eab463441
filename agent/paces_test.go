package agent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
)

// paced is what an agent told that went through everything.
type paced struct {
	*collector
	log string // lines of JSON
}

// paces takes an agent through all that it can meet, with everything on that
// tells of it, until it has ended.
func paces(t *testing.T) *paced {
	for name, value := range map[string]string{
		"OTEL_BLRP_SCHEDULE_DELAY": "20", "OTEL_BSP_SCHEDULE_DELAY": "20",
		"NOMAD_ALLOC_ID": "alloc", "NOMAD_JOB_NAME": "job", "NOMAD_GROUP_NAME": "group", "NOMAD_DC": "dc1",
		"POD_NAME": "shop-1", "POD_UID": "uid", "POD_NAMESPACE": "shops", "NODE_NAME": "node",
	} {
		t.Setenv(name, value)
	}
	to, server := startCollector(t), startConsul(t)
	server.placed(t, "web", "web-1", backend(t, "web-1"))
	server.register(t, "web-old", "old-1", backend(t, "old-1"))
	server.register(t, "held", "held-1", backend(t, "held"))
	var ill, worse atomic.Bool // what the backends of "app" are
	app := func(ill *atomic.Bool) string {
		return handler(t, func(w http.ResponseWriter, r *http.Request) {
			if ill.Load() && r.URL.Path == "/health" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			if status, err := strconv.Atoi(r.URL.Query().Get("status")); err == nil {
				w.WriteHeader(status)
			}
			if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
				w.Header().Set("Content-Type", "application/grpc")
				w.Header().Set("Grpc-Status", "14")
			}
		})
	}
	first, second, dying := app(&ill), app(&worse), startBackend(t, "dying")
	format := `
		agent { name = "shop" }
		consul {
			address      = %q
			datacenter   = "dc1"
			start_jitter = "0s"
			wait         = "100ms"
		}
		telemetry {
			traces {
				exporters = ["otlp"]
				protocol  = "http/protobuf"
				endpoint  = %q
			}
			metrics {
				exporters = ["otlp", "prometheus"]
				protocol  = "http/protobuf"
				endpoint  = %q
				interval  = "50ms"
				body_size = true
			}
			logs {
				exporters   = ["otlp"]
				protocol    = "http/protobuf"
				endpoint    = %q
				compression = "gzip"
				level       = "debug"
			}
			access_log {
				format = "json"
				output = %q
			}
		}
		service "shop" {
			id              = "shop-1"
			port            = 8080
			deregister_wait = "0s"
			check "ttl" {
				address = %q
				ttl     = "3s"
			}
		}
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = %q
			consul {
				service = "web"
				failover { service = "web-old" }
			}
		}
		upstream "held" {
			listen = "127.0.0.1:0"
			consul {
				service       = "held"
				on_empty_hold = "300ms"
			}
			health {
				max_stale = "2s"
				check "tcp" {
					interval = "100ms"
					timeout  = "100ms"
				}
			}
		}
		upstream "app" {
			listen           = "127.0.0.1:0"
			backend_protocol = "http1"
			shadow_strategy  = "first"
			server "first" {
				address = %q
				zone    = "z1"
			}
			server "second" { address = %q }
			health {
				check "http" {
					interval = "100ms"
					timeout  = "100ms"
					rise     = 1
					fall     = 1
				}
			}
		}
		upstream "frail" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "good" { address = %q }
			server "dying" {
				address = %q
				zone    = "z2"
			}
		}
		upstream "limited" {
			listen = "127.0.0.1:0"
			server "first" { address = %q }
			limits {
				adaptive_concurrency {}
				circuit_breaker {
					min_requests   = 2
					open_time      = "50ms"
					trial_requests = 1
				}
			}
		}
		upstream "tcp" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			server "good" { address = %q }
		}
		upstream "narrow" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			server "good" {
				address         = %q
				max_connections = 1
			}
			limits {
				max_queue     = 1
				queue_timeout = "10ms"
			}
		}
		upstream "nobody" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			server "gone" { address = "127.0.0.1:1" }
		}`
	access, good, dyingAddress := filepath.Join(t.TempDir(), "access.log"), backend(t, "good"), dying.address
	configured := func(strategy string) config.Config {
		return parse(t, format, server.address, to.url, to.url, to.url, access, good, strategy, first, second, good, dyingAddress, first, good, good)
	}
	log := new(logBuffer)
	a := runLogging(t, configured("random"), log, hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.Debug, Output: log, JSONFormat: true}))

	// Traffic of all kinds.
	state := func(upstream, id string) func() bool {
		return func() bool {
			for _, b := range a.explained(t, upstream).Backends {
				if id, want, _ := strings.Cut(id, " "); b.ID == id {
					return b.State == want
				}
			}
			return false
		}
	}
	eventually(t, "web serves", func() bool { _, body := get(t, a.url("web")); return body == "web-1" })
	eventually(t, "app is up", state("app", "first up"))
	eventually(t, "app is up", state("app", "second up"))
	eventually(t, "held is up", state("held", "dev-node/held-1 up"))
	for _, r := range []struct{ method, query, kind string }{
		{"GET", "?a=b", ""}, {"BREW", "", ""}, {"POST", "", "application/grpc"},
	} {
		request(t, r.method, a.url("app")+"/svc/Call"+r.query, r.kind)
	}
	for status := 200; status < 499; status++ { // until there are too many series
		request(t, "GET", fmt.Sprintf("%s/?status=%d", a.url("app"), status), "")
	}
	carryTCP(t, a.Addresses()["tcp"])
	carryTCP(t, a.Addresses()["nobody"])

	// Who finds all places taken waits.
	only, err := net.Dial("tcp", a.Addresses()["narrow"])
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the place is taken", func() bool { return a.upstream("narrow").balancer.Stats().Active == 1 })
	carryTCP(t, a.Addresses()["narrow"])
	only.Close()

	// A circuit breaker opens, and closes again.
	eventually(t, "the circuit is open", func() bool {
		request(t, "GET", a.url("limited")+"/?status=500", "")
		return strings.Contains(log.String(), "the circuit breaker is open")
	})
	eventually(t, "the circuit is closed", func() bool {
		request(t, "GET", a.url("limited"), "")
		return strings.Contains(log.String(), "the circuit breaker is closed")
	})

	// A backend that dies is tried by a request, taken out, and comes back.
	dying.kill()
	eventually(t, "it is taken out", func() bool { get(t, a.url("frail")); return state("frail", "dying ejected")() })
	dying.start(t)
	eventually(t, "it is back", state("frail", "dying up"))

	// Too few are up, and enough again.
	ill.Store(true)
	worse.Store(true)
	eventually(t, "there is panic", func() bool { return a.explained(t, "app").Panic })
	ill.Store(false)
	worse.Store(false)
	eventually(t, "there is none", func() bool { return !a.explained(t, "app").Panic })

	// What Consul says is doubted, confirmed, held, and let go.
	server.deregister(t, "held-1")
	told := func(what string) {
		t.Helper()
		eventually(t, "it is told: "+what, func() bool { return strings.Contains(log.String(), what) })
	}
	told("are held for a while")
	told("let go of the instances")

	// The app is lost and registered again.
	server.deregister(t, "shop-1")
	told("Consul has lost the service")
	told("backend removed")

	// The configuration changes, and does not.
	if err := a.Reload(configured("round_robin")); err != nil {
		t.Fatal(err)
	}
	taken := configured("round_robin")
	taken.Upstreams[0].Listen = good
	if err := a.Reload(taken); err == nil {
		t.Fatal("a port that is taken was bound")
	}
	a.Reopen()
	get(t, a.url("web")+"/logged")

	// Consul goes away and comes back.
	server.stop()
	told("no answer from Consul")
	told("the catalog's word is expired")
	told("cannot tell Consul of the service")
	server.start(t)
	told("Consul answers again")
	told("the catalog's word is fresh")
	told("Consul can be told of the service again")
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	if line, err := os.ReadFile(access); err != nil || !strings.Contains(string(line), `"path":"/logged"`) {
		t.Errorf("the access log has %q, %v", line, err)
	}
	return &paced{to, log.String()}
}

// placed registers an instance that has a zone.
func (c *consulServer) placed(t testing.TB, service, id, address string) {
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
	r := consul.Registration{ID: id, Name: service, Address: "127.0.0.1", Port: tcp.Port, Region: "eu", Zone: "eu-1"}
	if err := client.Register(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// request makes one and reads what comes.
func request(t testing.TB, method, url, contentType string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

// carryTCP makes a request over a connection that an upstream only carries, and
// waits for its end.
func carryTCP(t testing.TB, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
	_, _ = io.Copy(io.Discard, bufio.NewReader(conn))
}
