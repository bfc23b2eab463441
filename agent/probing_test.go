package agent

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/config"
)

// Two checks have one name only where they ask the same.
func TestCheckName(t *testing.T) {
	base := config.Check{Type: "http", Path: "/health", Status: []config.StatusRange{{From: 200, To: 399}}}
	same := base
	same.Interval, same.Rise, same.TrustTraffic = 1, 2, true
	if checkName(&base) != checkName(&same) {
		t.Errorf("%q and %q ask the same", checkName(&base), checkName(&same))
	}
	checks := []config.Check{base, {Type: "tcp"}, {Type: "grpc"}, {Type: "grpc", Service: "db"}}
	for _, change := range []func(*config.Check){
		func(c *config.Check) { c.Path = "/" },
		func(c *config.Check) { c.Path, c.Host = `/health" "`, "" },
		func(c *config.Check) { c.Host = "web" },
		func(c *config.Check) { c.Status = nil },
		func(c *config.Check) { c.Status = []config.StatusRange{{From: 200, To: 200}, {From: 399, To: 399}} },
	} {
		c := base
		change(&c)
		checks = append(checks, c)
	}
	names := make(map[string]int)
	for i, c := range checks {
		name := checkName(&c)
		if other, taken := names[name]; taken || name == "" {
			t.Errorf("checks %d and %d have the name %q", other, i, name)
		}
		names[name] = i
	}
}

// said is the agent's status.
func (r *running) said(t testing.TB) (s Status) {
	t.Helper()
	_, body := get(t, r.url("admin")+"/v1/status")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return s
}

// Upstreams with a backend and a check in common have it probed once for all.
func TestSharedProbes(t *testing.T) {
	var health, ready atomic.Int64
	address := handler(t, func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			health.Add(1)
		case "/ready":
			ready.Add(1)
		}
	})
	consul := startConsul(t)
	consul.register(t, "web", "one", address)
	text := `
		agent {
			probes {
				per_second = %d
				at_once    = 7
			}
		}
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { service = "web" }
			health {
				check "http" { interval = "1h" }
			}
		}
		upstream "same" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
			health {
				check "http" {
					interval = "1h"
					rise     = 7
				}
			}
		}
		upstream "other" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
			health {
				check "http" {
					interval = "1h"
					path     = "/ready"
				}
			}
		}`
	a := run(t, parse(t, text, 100, consul.address, address, address))
	for _, name := range []string{"web", "same", "other"} {
		eventually(t, name+" is probed", func() bool {
			e := a.explained(t, name)
			return len(e.Backends) == 1 && e.Backends[0].Probe.Status == "up"
		})
	}
	p := a.said(t).Probes
	if health.Load() != 1 || ready.Load() != 1 || p.Made != 2 || p.Targets != 2 {
		t.Errorf("probed %d and %d times, by %+v", health.Load(), ready.Load(), p)
	}
	if p.PerSecond != 100 || p.AtOnce != 7 || p.Wanted < 2./3600-1e-9 || p.Wanted > 2./3600+1e-9 {
		t.Errorf("the budget is %+v", p)
	}
	if err := a.Reload(parse(t, text, 200, consul.address, address, address)); err != nil {
		t.Fatal(err)
	}
	if p := a.said(t).Probes; p.PerSecond != 200 || p.Made != 2 {
		t.Errorf("after a reload %+v", p)
	}
}

func TestTrustTraffic(t *testing.T) {
	format := `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
			health {
				check "http" {
					interval      = "50ms"
					trust_traffic = %v
				}
			}
		}`
	address := healthy(t, true)
	a := run(t, parse(t, format, address, false))
	probes := func() ProbesStatus {
		if resp, _ := get(t, a.url("web")); resp.StatusCode != http.StatusOK {
			t.Fatalf("answered %d", resp.StatusCode)
		}
		return a.said(t).Probes
	}
	eventually(t, "it is probed in spite of requests", func() bool { return probes().Made >= 3 })
	if p := probes(); p.Skipped != 0 {
		t.Errorf("without trust: %+v", p)
	}
	if err := a.Reload(parse(t, format, address, true)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "requests spare probes", func() bool { return probes().Skipped >= 3 })
	_, text := get(t, a.url("admin")+"/metrics")
	for _, name := range []string{"outrigger_health_check_skipped_total", "outrigger_health_check_late_seconds"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("the metrics have no %s", name)
		}
	}
}
