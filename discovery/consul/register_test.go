package consul

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

func embedded(t *testing.T, o catalog.Options) string {
	t.Helper()
	s := httptest.NewServer(catalog.New(o))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestRegistration(t *testing.T) {
	address := embedded(t, catalog.Options{})
	client := clientOf(t, Config{Address: address})
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	library, err := api.NewClient(&api.Config{Address: address, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	agent, ctx := library.Agent(), t.Context()
	is := func(want bool) {
		t.Helper()
		if got, err := client.Registered(ctx, "shop-1"); got != want || err != nil {
			t.Errorf("registered is %v, %v", got, err)
		}
	}
	reported := func(good, want bool) {
		t.Helper()
		if known, err := client.Report(ctx, "shop-1", good, "tried"); known != want || err != nil {
			t.Errorf("reported: known %v, %v", known, err)
		}
	}
	is(false)
	reported(true, false)

	r := Registration{
		ID: "shop-1", Name: "shop", Address: "10.0.0.7", Port: 8080, Tags: []string{"v2"}, Metadata: map[string]string{"k": "v"},
		Weights: Weights{Passing: 10, Warning: 0}, EnableTagOverride: true, Region: "eu", Zone: "eu-1",
		Checks: []Check{
			{HTTP: "http://127.0.0.1:1/", Header: map[string]string{"Host": "shop"}, Interval: 3 * time.Second, Timeout: time.Second},
			{TCP: "127.0.0.1:1", TLS: true, Interval: time.Second},
			{GRPC: "127.0.0.1:1/shop.Health", Interval: 5 * time.Second},
			{TTL: time.Minute},
		},
		DeregisterAfter: time.Minute,
	}
	if err := client.Register(ctx, r); err != nil {
		t.Fatal(err)
	}
	is(true)
	s, _, err := agent.Service("shop-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Service != "shop" || s.Address != "10.0.0.7" || s.Port != 8080 || !reflect.DeepEqual(s.Tags, r.Tags) || s.Meta["k"] != "v" ||
		s.Weights != (api.AgentWeights{Passing: 10}) || !s.EnableTagOverride || *s.Locality != (api.Locality{Region: "eu", Zone: "eu-1"}) {
		t.Errorf("registered as %+v", s)
	}
	checks := func() map[string]string {
		t.Helper()
		all, err := agent.Checks()
		if err != nil {
			t.Fatal(err)
		}
		statuses := make(map[string]string)
		for id, c := range all {
			statuses[id] = c.Status
		}
		return statuses
	}
	if got, want := checks(), map[string]string{"shop-1-http": "critical", "shop-1-tcp": "critical", "shop-1-grpc": "critical", "shop-1-ttl": "critical"}; !reflect.DeepEqual(got, want) {
		t.Errorf("checks are %v", got)
	}
	reported(true, true)
	if got := checks()["shop-1-ttl"]; got != "passing" {
		t.Errorf("after a good report it is %s", got)
	}
	reported(false, true)
	if got := checks()["shop-1-ttl"]; got != "critical" {
		t.Errorf("after a bad report it is %s", got)
	}

	// To register again makes it what is registered, and nothing more.
	if err := client.Register(ctx, Registration{ID: "shop-1", Name: "shop", Port: 8081, Checks: []Check{{TCP: "127.0.0.1:1", Interval: time.Second}}}); err != nil {
		t.Fatal(err)
	}
	if s, _, err = agent.Service("shop-1", nil); err != nil || s.Port != 8081 || s.Weights != (api.AgentWeights{Passing: 1, Warning: 1}) {
		t.Errorf("then as %+v, %v", s, err)
	}
	if got := checks(); len(got) != 1 || got["shop-1-tcp"] == "" {
		t.Errorf("then checks are %v", got)
	}
	for range 2 { // the second time it is gone already
		if err := client.Deregister(ctx, "shop-1"); err != nil {
			t.Error(err)
		}
		is(false)
	}
}

// What a check looks like to Consul, which the catalog does not show.
func TestChecksAreSentWhole(t *testing.T) {
	var got api.AgentServiceRegistration
	address := consulIs(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil || r.URL.Query().Get("replace-existing-checks") != "true" || r.Header.Get("X-Consul-Token") != "secret" {
			t.Errorf("%v in %s %v", err, r.URL, r.Header)
		}
	})
	client := clientOf(t, Config{Address: address, Token: "secret"})
	if err := client.Register(t.Context(), Registration{ID: "a", Name: "b", DeregisterAfter: 2 * time.Minute, Checks: []Check{
		{HTTP: "http://127.0.0.1/x", Header: map[string]string{"Host": "shop"}, Interval: 3 * time.Second, Timeout: 2 * time.Second},
		{TCP: "127.0.0.1:1", TLS: true, Interval: 100 * time.Millisecond},
		{GRPC: "127.0.0.1:1/x", TLS: true, Interval: time.Second},
		{TTL: 9 * time.Second},
	}}); err != nil {
		t.Fatal(err)
	}
	after := "2m0s"
	want := api.AgentServiceChecks{
		{CheckID: "a-http", Name: "b over http", HTTP: "http://127.0.0.1/x", Header: map[string][]string{"Host": {"shop"}}, Interval: "3s", Timeout: "2s", DeregisterCriticalServiceAfter: after},
		{CheckID: "a-tcp", Name: "b over tcp", TCP: "127.0.0.1:1", TCPUseTLS: true, Interval: "100ms", Timeout: "1s", DeregisterCriticalServiceAfter: after},
		{CheckID: "a-grpc", Name: "b over grpc", GRPC: "127.0.0.1:1/x", GRPCUseTLS: true, Interval: "1s", Timeout: "1s", DeregisterCriticalServiceAfter: after},
		{CheckID: "a-ttl", Name: "b over ttl", TTL: "9s", DeregisterCriticalServiceAfter: after},
	}
	if !reflect.DeepEqual(got.Checks, want) {
		text, _ := json.Marshal(got.Checks)
		t.Errorf("sent %s", text)
	}
}

func TestRegistrationErrorsAreSorted(t *testing.T) {
	client := clientOf(t, Config{Address: embedded(t, catalog.Options{ACL: &catalog.ACL{DefaultPolicy: "deny"}})})
	known, ok := errors.AsType[*discovery.Error](client.Register(t.Context(), Registration{ID: "a", Name: "b"}))
	if !ok || known.Class != "denied" || known.Pause == 0 {
		t.Errorf("got %v", known)
	}
}
