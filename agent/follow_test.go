package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// deregister takes an instance out of the catalog.
func (c *consulServer) deregister(t testing.TB, id string) {
	t.Helper()
	c.put(t, "/v1/agent/service/deregister/"+id, "")
}

// Another place steps in for one whose instances are ill, and explain tells of
// both. What is kept on disk knows both places too.
func TestFailover(t *testing.T) { consuls(t, testFailover) }

func testFailover(t *testing.T, consul *consulServer) {
	consul.register(t, "web", "web-1", backend(t, "first"))
	consul.register(t, "web-old", "old-1", backend(t, "second"))
	c := parse(t, `
		agent { data_dir = %q }
		consul {
			address      = %q
			start_jitter = "0s"
		}
		upstream "web" {
			listen = "127.0.0.1:0"
			consul {
				service       = "web"
				ignore_checks = ["noise"]
				failover { service = "web-old" }
			}
		}`, t.TempDir(), consul.address)
	a := run(t, c)
	eventually(t, "both places are there", func() bool { return len(a.explained(t, "web").Backends) == 2 })
	says := func(a *running, want string) func() bool {
		return func() bool { _, body := get(t, a.url("web")); return body == want }
	}
	eventually(t, "the first place answers", says(a, "first"))
	// One whose only ill check is ignored stays in the first place.
	consul.put(t, "/v1/agent/check/register", `{"ID": "noise", "Name": "noise", "ServiceID": "web-1", "TTL": "1h"}`)
	eventually(t, "the check shows", func() bool { return len(a.explained(t, "web").Backends[1].Catalog.Checks) == 2 })
	e := a.explained(t, "web")
	old, first := e.Backends[0], e.Backends[1]
	if old.Place != "web-old" || old.Priority != 1 || first.Place != "web" || first.Priority != 0 || first.State != "up" {
		t.Errorf("explained as %+v and %+v", old, first)
	}
	if check := first.Catalog.Checks[len(first.Catalog.Checks)-1]; check.ID != "noise" || check.Status != "critical" || !check.Ignored {
		t.Errorf("its checks are %+v", first.Catalog.Checks)
	}
	if p := e.Catalog.Places; len(p) != 2 || p[0].Name != "web" || p[1].Instances != 1 || p[1].Freshness != "fresh" {
		t.Errorf("the places are %+v", p)
	}
	consul.put(t, "/v1/agent/service/maintenance/web-1?enable=true", "")
	eventually(t, "the second place answers", says(a, "second"))
	consul.put(t, "/v1/agent/service/maintenance/web-1?enable=false", "")
	eventually(t, "the first place is back", says(a, "first"))
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	consul.stop()
	a = run(t, c)
	eventually(t, "it serves without Consul", says(a, "first"))
	if e := a.explained(t, "web"); len(e.Backends) != 2 || e.Backends[0].Priority != 1 || e.Catalog.Freshness != "stale" {
		t.Errorf("from disk: %+v", e)
	}
	consul.start(t)
	eventually(t, "both answer again", func() bool {
		p := a.explained(t, "web").Catalog.Places
		return len(p) == 2 && p[0].Freshness == "fresh" && p[1].Freshness == "fresh"
	})
}

// probed finds out soon what became of a backend.
const probed = `
	health {
		check "tcp" {
			interval = "50ms"
			timeout  = "50ms"
		}
	}`

// P5: a service that was emptied keeps those backends for a while that are
// proven to be up, and only those.
func TestEmptied(t *testing.T) { consuls(t, testEmptied) }

func testEmptied(t *testing.T, consul *consulServer) {
	dying := startBackend(t, "web")
	text := fmt.Sprintf(`consul { address = %q }`, consul.address)
	for _, u := range []struct{ name, address, settings, health string }{
		{"held", backend(t, "web"), `on_empty_hold = "1500ms"`, probed},
		{"followed", backend(t, "web"), `on_empty_hold = "1m"`, probed},
		{"dying", dying.address, `on_empty_hold = "1m"`, probed},
		{"dropped", backend(t, "web"), `on_empty = "drop"`, probed},
		{"unproven", backend(t, "web"), `on_empty = "hold"`, ""},
	} {
		consul.register(t, u.name, u.name+"-1", u.address)
		consul.register(t, u.name, u.name+"-dead", "127.0.0.1:1")
		text += fmt.Sprintf(`
			upstream %q {
				listen = "127.0.0.1:0"
				consul {
					service = %q
					%s
				}
				%s
			}`, u.name, u.name, u.settings, u.health)
	}
	a := run(t, parse(t, "%s", text))
	names := []string{"held", "followed", "dying", "dropped", "unproven"}
	serves := func(name string) bool { resp, _ := get(t, a.url(name)); return resp.StatusCode == 200 }
	catalog := func(name string) *CatalogStatus { return a.explained(t, name).Catalog }
	for _, name := range names {
		eventually(t, name+" serves, and the probes have found out", func() bool {
			b := a.explained(t, name).Backends
			return len(b) == 2 && serves(name) && (name == "unproven" || b[0].Probe.Status == "up" && b[1].Probe.Status == "down")
		})
	}
	for _, name := range names {
		consul.deregister(t, name+"-dead")
		consul.deregister(t, name+"-1")
	}
	for _, name := range names {
		eventually(t, name+" is doubted", func() bool { return catalog(name).Suspicion != nil })
		if c := catalog(name); c.Doubt == "" || c.Missing == 0 || c.Suspicion.Missing != c.Missing || c.Suspicion.Needed != 2 {
			t.Errorf("the doubt about %s shows as %+v", name, c)
		}
		if !serves(name) {
			t.Errorf("%s is lost while it is doubted", name)
		}
	}
	for _, name := range names {
		eventually(t, "that "+name+" was emptied is confirmed", func() bool { return catalog(name).Suspicion == nil })
		held := name != "dropped" && name != "unproven"
		if c := catalog(name); (c.Missing == 1) != held || (c.Doubt != "") != held || serves(name) != held {
			t.Errorf("then %s is %+v", name, c)
		}
		switch name {
		case "followed":
			consul.register(t, name, "next", backend(t, "next"))
			eventually(t, "the next one serves", func() bool { _, body := get(t, a.url(name)); return body == "next" })
		case "dying":
			dying.kill()
		}
		eventually(t, name+" is let go", func() bool { c := catalog(name); return c.Missing == 0 && c.Doubt == "" })
		if serves(name) != (name == "followed") {
			t.Errorf("in the end %s serves: %t", name, name != "followed")
		}
	}
	_, metrics := get(t, a.url("admin")+"/metrics")
	for _, line := range []string{
		`outrigger_discovery_suspicions_total{outrigger_upstream_name="held",result="begun"} 1`,
		`outrigger_discovery_suspicions_total{outrigger_upstream_name="held",result="confirmed"} 1`,
		`outrigger_discovery_missing{outrigger_upstream_name="held"} 0`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	log := a.log.String()
	for _, told := range []string{"not believed before it is confirmed", "outcome=confirmed", "are held for a while", "let go of the instances", "there are instances again"} {
		if !strings.Contains(log, told) {
			t.Errorf("the log does not tell that %s", told)
		}
	}
}

// Each way in which what is on disk can be of no use is told, once.
func TestArchivesOfNoUseAreTold(t *testing.T) {
	consul := startConsul(t)
	consul.register(t, "web", "web-1", backend(t, "web-1"))
	dir := t.TempDir()
	path := filepath.Join(dir, "web.snapshot.json")
	c := func(service string) string {
		return fmt.Sprintf(`
			agent { data_dir = %q }
			consul { address = %q }
			upstream "web" {
				listen = "127.0.0.1:0"
				consul { service = %q }
			}`, dir, consul.address, service)
	}
	for _, tt := range []struct{ service, content, told string }{
		{"web", `{"format": 99, "since": 99}`, "a newer version has kept"},
		{"other", "", "answers another question"},
		{"web", "}", "what was kept on disk is damaged"},
	} {
		if tt.content != "" {
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := run(t, parse(t, "%s", c(tt.service)))
		eventually(t, "it is told", func() bool { return strings.Contains(a.log.String(), tt.told) })
		if tt.service == "web" {
			eventually(t, "it serves", func() bool { _, body := get(t, a.url("web")); return body == "web-1" })
		}
		if err := a.end(t); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(a.log.String(), tt.told); n != 1 {
			t.Errorf("%s: told %d times", tt.told, n)
		}
	}
}

// A reload that asks the same of another Consul judges its first answer beside
// what is known; one that asks the same of the same keeps its watch.
func TestReloadKeepsWhatIsKnown(t *testing.T) {
	consul, other := startConsul(t), startConsul(t)
	address := backend(t, "web-1")
	consul.register(t, "web", "web-1", address)
	format := `
		consul {
			address      = %q
			start_jitter = "0s"
		}
		upstream "web" {
			listen = "127.0.0.1:0"
			consul {
				service  = "web"
				on_empty = %q
			}
		}`
	a := run(t, parse(t, format, consul.address, "hold"))
	eventually(t, "it serves", func() bool { _, body := get(t, a.url("web")); return body == "web-1" })
	answers := func() int64 { return a.list()[0].measured().Catalog.Answers }
	before := answers()
	if err := a.Reload(parse(t, format, consul.address, "drop")); err != nil {
		t.Fatal(err)
	}
	if c := a.explained(t, "web").Catalog; answers() < before || c.Freshness != "fresh" {
		t.Errorf("another watch was opened for the same question: %+v", c)
	}
	if err := a.Reload(parse(t, format, other.address, "drop")); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	eventually(t, "an empty answer is doubted", func() bool { return a.explained(t, "web").Catalog.Suspicion != nil })
	if resp, _ := get(t, a.url("web")); resp.StatusCode != 200 {
		t.Errorf("after %v: %d", time.Since(begin), resp.StatusCode)
	}
	if c := a.explained(t, "web").Catalog; c.Freshness != "fresh" {
		t.Errorf("what was known a moment ago is %s", c.Freshness)
	}
}
