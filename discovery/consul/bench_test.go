package consul

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/consul/api"
)

// P10: what an answer of ten thousand instances costs, from its first byte to
// the snapshot.
func BenchmarkTenThousandInstances(b *testing.B) {
	var entries []*api.ServiceEntry
	for i := range 10_000 {
		entries = append(entries, entry(func(e *api.ServiceEntry) {
			e.Node.Node, e.Node.Address = fmt.Sprint("node-", i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			e.Service.ID, e.Service.Meta = fmt.Sprint("web-", i), map[string]string{"version": "1"}
			e.Checks = api.HealthChecks{
				{CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing", Output: "Agent alive and reachable"},
				{CheckID: "http", Name: "over HTTP", Status: "passing", ServiceID: "web", Output: "HTTP GET http://127.0.0.1/healthz: 200 OK Output: well"},
			}
		}))
	}
	raw, err := json.Marshal(entries)
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = bytes.NewReader(raw).WriteTo(w)
	}))
	defer server.Close()
	client, err := New(Config{Address: server.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	source := client.Source(Query{Service: "web"})
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if s, err := source.Fetch(b.Context(), 0); err != nil || len(s.Instances) != 10_000 {
			b.Fatalf("%d instances, %v", len(s.Instances), err)
		}
	}
}
