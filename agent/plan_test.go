package agent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// query stores a prepared query.
func (c *consulServer) query(t testing.TB, definition string) {
	t.Helper()
	resp, err := http.Post("http://"+c.address+"/v1/query", "application/json", strings.NewReader(definition))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// A prepared query says what to use from where, and is not executed. What it
// led to is known from disk while Consul is down.
func TestPreparedQuery(t *testing.T) {
	t.Parallel()
	consul := startConsul(t)
	consul.register(t, "web", "web-1", backend(t, "web-1"))
	warned := backend(t, "warned")
	consul.put(t, "/v1/agent/service/register", fmt.Sprintf(`{"Name": "web", "ID": "web-2", "Address": "127.0.0.1", "Port": %s,
		"Check": {"TTL": "1h", "Status": "warning"}}`, warned[strings.LastIndex(warned, ":")+1:]))
	c := parse(t, `
		agent { data_dir = %q }
		consul {
			address      = %q
			start_jitter = "0s"
		}
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { prepared_query = "any-web" }
		}`, t.TempDir(), consul.address)
	a := run(t, c)
	serves := func(a *running) func() bool {
		return func() bool { resp, body := get(t, a.url("web")); return resp.StatusCode == 200 && body == "web-1" }
	}
	eventually(t, "that there is no such query is told", func() bool {
		c := a.explained(t, "web").Catalog
		return c.Error != "" && c.Query == "any-web" && c.Freshness == "waiting"
	})
	consul.query(t, `{"Name": "any-web", "Service": {"Service": "web", "OnlyPassing": true, "Failover": {"Datacenters": ["dc2"]}}}`)
	eventually(t, "it serves", serves(a))
	e := a.explained(t, "web")
	if p := e.Catalog.Places; e.Catalog.Service != "web" || len(p) != 2 || p[0].Instances != 2 || p[1].Name != "web in dc2" {
		t.Errorf("explained as %+v", e.Catalog)
	}
	if len(e.Backends) != 2 || e.Backends[0].State != "up" || e.Backends[1].State != "down" {
		t.Errorf("what warns is used: %+v", e.Backends)
	}
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	if log := a.log.String(); strings.Count(log, "cannot read a prepared query") != 1 || !strings.Contains(log, "says where to look") {
		t.Error("the log does not tell, or too often")
	}
	consul.stop()
	a = run(t, c)
	eventually(t, "it serves without Consul", serves(a))
	eventually(t, "Consul is missed", func() bool { return a.explained(t, "web").Catalog.ErrorKind == "network" })
	consul.start(t)
	eventually(t, "Consul is back", func() bool { e := a.explained(t, "web"); return e.Catalog.Freshness == "fresh" && len(e.Backends) == 2 })
}

// A reload changes from a service to a query and back, and what was found
// before serves until then.
func TestReloadOfPreparedQuery(t *testing.T) {
	consul := startConsul(t)
	consul.register(t, "one", "one", backend(t, "one"))
	consul.register(t, "two", "two", backend(t, "two"))
	consul.query(t, `{"Name": "second", "Service": {"Service": "two"}}`)
	c := func(what, onEmpty string) string {
		return fmt.Sprintf(`
			consul { address = %q }
			upstream "web" {
				listen = "127.0.0.1:0"
				consul {
					%s
					on_empty = %q
				}
			}`, consul.address, what, onEmpty)
	}
	a := run(t, parse(t, "%s", c(`service = "one"`, "hold")))
	eventually(t, "the service answers", func() bool { _, body := get(t, a.url("web")); return body == "one" })
	for _, tt := range []struct{ what, onEmpty, want string }{
		{`prepared_query = "second"`, "hold", "two"},
		{`prepared_query = "second"`, "drop", "two"},
		{`service = "one"`, "drop", "one"},
	} {
		if err := a.Reload(parse(t, "%s", c(tt.what, tt.onEmpty))); err != nil {
			t.Fatal(err)
		}
		eventually(t, tt.want+" answers", func() bool {
			resp, body := get(t, a.url("web"))
			if resp.StatusCode != 200 {
				t.Fatalf("in between came %d", resp.StatusCode)
			}
			return body == tt.want
		})
	}
}
