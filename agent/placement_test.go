package agent

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// place registers an instance with what says where it belongs, and a check that
// the test decides.
func (c *consulServer) place(t testing.TB, service, id, address, more string) {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.put(t, "/v1/agent/service/register", fmt.Sprintf(`{"Name": %q, "ID": %q, "Address": "127.0.0.1", "Port": %d,
		"Check": {"CheckID": %q, "TTL": "1h", "Status": "passing"}, %s}`, service, id, tcp.Port, id, more))
}

func (c *consulServer) fail(t testing.TB, id string) {
	t.Helper()
	c.put(t, "/v1/agent/check/fail/"+id, "")
}

// answers counts who answered n requests.
func answers(t testing.TB, url string, n int) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for range n {
		_, body := get(t, url)
		counts[body]++
	}
	return counts
}

// plan is what each backend should get, by the last part of its ID, and where
// it stands.
func plan(e Explanation) string {
	var parts []string
	for _, b := range e.Backends {
		_, id, ok := strings.Cut(b.ID, "/")
		if !ok {
			id = b.ID
		}
		parts = append(parts, fmt.Sprintf("%s %d/%d %.0f%%", id, b.Tier, b.Tiers, 100*b.Planned))
	}
	return strings.Join(parts, ", ")
}

func TestOwnZoneFirst(t *testing.T) {
	consul := startConsul(t)
	for id, zone := range map[string]string{"near-1": "z1", "near-2": "z1", "far": "z2"} {
		consul.place(t, "web", id, backend(t, id), fmt.Sprintf(`"Locality": {"Region": "eu", "Zone": %q}, "Meta": {"rack": "r-%s"}`, zone, id))
	}
	c := func(zone string, prefer bool, from string) string {
		return fmt.Sprintf(`
			agent { zone = %q }
			consul { address = %q }
			upstream "web" {
				listen      = "127.0.0.1:0"
				strategy    = "round_robin"
				prefer_zone = %v
				consul {
					service   = "web"
					zone_from = %q
				}
			}`, zone, consul.address, prefer, from)
	}
	a := run(t, parse(t, "%s", c("z1", true, "locality")))
	planned := func(want string) {
		t.Helper()
		eventually(t, want, func() bool { return plan(a.explained(t, "web")) == want })
	}
	planned("far 2/2 0%, near-1 1/2 50%, near-2 1/2 50%")
	if got := answers(t, a.url("web"), 20); got["far"] != 0 || got["near-1"] != 10 {
		t.Errorf("answered by %v", got)
	}
	if e := a.explained(t, "web"); e.Zone != "z1" || e.Backends[0].Zone != "z2" {
		t.Errorf("explained as %+v", e)
	}

	// What the own zone cannot carry spills over to the other.
	consul.fail(t, "near-1")
	planned("far 2/2 30%, near-1 0/0 0%, near-2 1/2 70%")
	if got := answers(t, a.url("web"), 100); got["far"] == 0 || got["far"] >= got["near-2"] || got["near-1"] != 0 {
		t.Errorf("answered by %v", got)
	}

	// What a reload says of zones is in force at once, and loses no numbers.
	for _, step := range []struct {
		zone, from string
		prefer     bool
		want       string
	}{
		{"z2", "locality", true, "far 1/2 100%, near-1 0/0 0%, near-2 2/2 0%"},
		{"z2", "locality", false, "far 1/1 50%, near-1 0/0 0%, near-2 1/1 50%"},
		{"", "locality", true, "far 1/1 50%, near-1 0/0 0%, near-2 1/1 50%"},
		{"r-near-2", "service_meta:rack", true, "far 2/2 0%, near-1 0/0 0%, near-2 1/2 100%"},
	} {
		before := a.explained(t, "web").Backends[0].Requests
		if err := a.Reload(parse(t, "%s", c(step.zone, step.prefer, step.from))); err != nil {
			t.Fatal(err)
		}
		planned(step.want)
		if after := a.explained(t, "web").Backends[0].Requests; after != before {
			t.Errorf("the numbers went from %d to %d", before, after)
		}
	}
}

// The zones of nodes that somebody else registered.
func TestZoneOfTheNode(t *testing.T) {
	consul := startConsul(t)
	for id, rack := range map[string]string{"near": "r1", "far": "r2"} {
		tcp, err := net.ResolveTCPAddr("tcp", backend(t, id))
		if err != nil {
			t.Fatal(err)
		}
		consul.put(t, "/v1/catalog/register", fmt.Sprintf(`{"Node": "node-%s", "Address": "127.0.0.1", "NodeMeta": {"rack": %q, "group": "3"},
			"Service": {"Service": "web", "ID": %q, "Port": %d}}`, id, rack, id, tcp.Port))
	}
	a := run(t, parse(t, `
		agent { zone = "r1" }
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul {
				service       = "web"
				zone_from     = "node_meta:rack"
				priority_from = "node_meta:group"
			}
		}`, consul.address))
	eventually(t, "both are known", func() bool { return plan(a.explained(t, "web")) == "far 2/2 0%, near 1/2 100%" })
	if b := a.explained(t, "web").Backends[0]; b.Zone != "r2" || b.Priority != 3 {
		t.Errorf("explained as %+v", b)
	}
	if got := answers(t, a.url("web"), 10); got["near"] != 10 {
		t.Errorf("answered by %v", got)
	}
}

func TestFailoverGroups(t *testing.T) {
	consul := startConsul(t)
	for id, group := range map[string]string{"first": "", "odd": "main", "spare": "1", "last": "2"} {
		consul.place(t, "web", id, backend(t, id), fmt.Sprintf(`"Meta": {"group": %q}`, group))
	}
	a := run(t, parse(t, `
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul {
				service       = "web"
				priority_from = "service_meta:group"
			}
		}`, consul.address))
	planned := func(want string) {
		t.Helper()
		eventually(t, want, func() bool { return plan(a.explained(t, "web")) == want })
	}
	planned("first 1/3 50%, last 3/3 0%, odd 1/3 50%, spare 2/3 0%")
	const why = `dev-node/odd: its priority "main" is no whole number from 0 to 127, and counts as 0`
	if e := a.explained(t, "web"); len(e.Catalog.Notes) != 1 || e.Catalog.Notes[0] != why || len(e.Catalog.Skipped) != 0 || !strings.Contains(a.log.String(), "counts as 0") {
		t.Errorf("the odd one is told of as %+v", e.Catalog)
	}
	consul.fail(t, "odd")
	planned("first 1/3 70%, last 3/3 0%, odd 0/0 0%, spare 2/3 30%")
	consul.fail(t, "first")
	planned("first 0/0 0%, last 2/2 0%, odd 0/0 0%, spare 1/2 100%")
	if got := answers(t, a.url("web"), 10); got["spare"] != 10 {
		t.Errorf("answered by %v", got)
	}
	consul.fail(t, "spare")
	eventually(t, "the last group serves", func() bool { return answers(t, a.url("web"), 5)["last"] == 5 })
}

func TestPrioritiesOfServers(t *testing.T) {
	format := `
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "a" {
				address  = %q
				priority = %d
			}
			server "b" { address = %q }
		}`
	one, two := backend(t, "a"), backend(t, "b")
	a := run(t, parse(t, format, one, 1, two))
	if got := answers(t, a.url("web"), 10); got["b"] != 10 {
		t.Errorf("answered by %v", got)
	}
	if err := a.Reload(parse(t, format, one, 0, two)); err != nil {
		t.Fatal(err)
	}
	if got := answers(t, a.url("web"), 10); got["a"] != 5 {
		t.Errorf("after the reload answered by %v", got)
	}
	if e := a.explained(t, "web"); e.Backends[1].Requests != 15 {
		t.Errorf("the numbers are %+v", e.Backends[1])
	}
}
