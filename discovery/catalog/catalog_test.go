package catalog_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

func Example() {
	c := catalog.New(catalog.Options{})
	server := httptest.NewServer(c)
	defer server.Close()

	register, _ := http.NewRequest("PUT", server.URL+"/v1/agent/service/register",
		strings.NewReader(`{"Name": "payments", "Port": 8081, "Tags": ["v2"]}`))
	if resp, err := http.DefaultClient.Do(register); err == nil {
		resp.Body.Close()
	}
	resp, err := http.Get(server.URL + "/v1/catalog/service/payments?tag=v2")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	var found []struct {
		Node, Address string
		ServicePort   int
	}
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("%+v\n", found)
	// Output: [{Node:dev-node Address:127.0.0.1 ServicePort:8081}]
}

func ExampleFaults_Set() {
	c := catalog.New(catalog.Options{})
	clear, err := c.Faults().Set(catalog.Fault{Kind: catalog.NoLeader, Path: "/v1/health/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest("GET", "/v1/health/service/web", nil))
		fmt.Println(w.Code, w.Body)
		clear()
	}
	// Output:
	// 500 No cluster leader
	// 200 []
}

func TestOptions(t *testing.T) {
	c := catalog.New(catalog.Options{Node: "n", Datacenter: "home", Address: "::1"})
	w := must(t, c, "GET", "/v1/catalog/nodes?dc=home", "")
	for _, want := range []string{`"Node": "n"`, `"Datacenter": "home"`, `"Address": "::1"`, `"lan_ipv6": "::1"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in %s", want, w.Body)
		}
	}
	if leader := must(t, c, "GET", "/v1/status/leader", "").Body.String(); leader != `"[::1]:8300"` {
		t.Errorf("leader %s", leader)
	}
}

func TestCompression(t *testing.T) {
	c := catalog.New(catalog.Options{})
	for i := range 20 {
		must(t, c, "PUT", "/v1/agent/service/register", fmt.Sprintf(`{"ID": "w%d", "Name": "web"}`, i))
	}
	for accept, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.5": "gzip", "": "", "gzip;q=0": "", "br": ""} {
		r := httptest.NewRequest("GET", "/v1/health/service/web", nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q gives %q", accept, got)
		}
		body := io.Reader(w.Body)
		if want == "gzip" {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		var list []any
		if err := json.NewDecoder(body).Decode(&list); err != nil || len(list) != 20 {
			t.Errorf("Accept-Encoding %q: %d entries, %v", accept, len(list), err)
		}
	}
	r := httptest.NewRequest("GET", "/v1/status/leader", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if w.Header().Get("Content-Encoding") != "" {
		t.Error("a small answer is compressed")
	}
}

func TestTokenIn(t *testing.T) {
	c := catalog.New(catalog.Options{ACL: &catalog.ACL{InitialManagement: management}})
	for _, test := range []struct {
		query, header, value string
		status               int
	}{
		{"", "X-Consul-Token", management, 200},
		{"", "X-Consul-Token", " " + management + " ", 200},
		{"", "Authorization", "Bearer " + management, 200},
		{"", "Authorization", "bearer  " + management, 200},
		{"?token=" + management, "", "", 200},
		{"", "Authorization", "Basic " + management, 403},
		{"", "X-Consul-Token", "", 403},
		{"", "X-Consul-Token", "nope", 403},
	} {
		r := httptest.NewRequest("GET", "/v1/acl/token/self"+test.query, nil)
		if test.header != "" {
			r.Header.Set(test.header, test.value)
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%+v: %d %s", test, w.Code, w.Body)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	c := catalog.New(catalog.Options{})
	huge := `{"Name": "` + strings.Repeat("x", 2<<20) + `"}`
	if w := ask(t.Context(), c, "PUT", "/v1/agent/service/register", huge); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %.80s", w.Code, w.Body)
	}
}

// What the agent registered with itself survives the catalog, as it would
// Consul's next sync.
func TestAgentOwnsItsNode(t *testing.T) {
	c := catalog.New(catalog.Options{})
	must(t, c, "PUT", "/v1/agent/service/register", `{"ID": "web-1", "Name": "web", "Port": 1, "Check": {"CheckID": "c", "TTL": "1h", "Status": "passing"}}`)
	before := must(t, c, "GET", "/v1/health/service/web", "").Body.String()
	for path, body := range map[string]string{
		"/v1/catalog/register":   `{"Node": "dev-node", "Address": "9.9.9.9", "Service": {"ID": "web-1", "Service": "web", "Port": 2}, "Check": {"CheckID": "c", "Status": "critical", "ServiceID": "web-1"}}`,
		"/v1/catalog/deregister": `{"Node": "dev-node"}`,
	} {
		must(t, c, "PUT", path, body)
	}
	must(t, c, "PUT", "/v1/catalog/deregister", `{"Node": "dev-node", "ServiceID": "web-1"}`)
	must(t, c, "PUT", "/v1/catalog/deregister", `{"Node": "dev-node", "CheckID": "c"}`)
	if after := must(t, c, "GET", "/v1/health/service/web", "").Body.String(); after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
	// What others put on the node is theirs.
	must(t, c, "PUT", "/v1/catalog/register", `{"Node": "dev-node", "Address": "9.9.9.9", "Service": {"Service": "guest"}}`)
	if got := instances(t, must(t, c, "GET", "/v1/health/service/guest", "")); len(got) != 1 {
		t.Errorf("%d guests", len(got))
	}
	if services := must(t, c, "GET", "/v1/agent/services", "").Body.String(); strings.Contains(services, "guest") {
		t.Errorf("the agent claims the guest: %s", services)
	}
	must(t, c, "PUT", "/v1/catalog/deregister", `{"Node": "dev-node", "ServiceID": "guest"}`)
	if got := instances(t, must(t, c, "GET", "/v1/health/service/guest", "")); len(got) != 0 {
		t.Errorf("%d guests after they left", len(got))
	}
}

// Everything at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	c := catalog.New(catalog.Options{CheckUpdateInterval: -1})
	end := run(t, c)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("w%d-%d", worker, i%3)
				for _, call := range [][3]string{
					{"PUT", "/v1/agent/service/register", `{"ID": "` + id + `", "Name": "web", "Checks": [{"CheckID": "` + id + `", "TTL": "10ms"}, {"TCP": "127.0.0.1:1", "Interval": "10ms"}]}`},
					{"GET", "/v1/health/service/web?index=99999&wait=1ms", ""},
					{"PUT", "/v1/agent/check/pass/" + id, ""},
					{"GET", "/v1/catalog/services?index=1", ""},
					{"GET", "/v1/agent/checks", ""},
					{"PUT", "/v1/catalog/register", `{"Node": "` + id + `", "Address": "127.0.0.1", "Service": {"Service": "web"}}`},
					{"GET", "/v1/health/state/any?filter=Status+==+critical", ""},
					{"PUT", "/v1/agent/service/deregister/" + id, ""},
					{"PUT", "/v1/catalog/deregister", `{"Node": "` + id + `"}`},
				} {
					if w := ask(t.Context(), c, call[0], call[1], call[2]); w.Code != 200 {
						t.Errorf("%s: %d %s", call[1], w.Code, w.Body)
					}
				}
				if i%25 == 0 {
					c.Restore()
				}
			}
		})
	}
	all.Wait()
	end()
	if got := instances(t, must(t, c, "GET", "/v1/health/service/web", "")); len(got) != 0 {
		t.Errorf("%d instances are left", len(got))
	}
}
