package catalog_test

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// Consul's own Go client, as the agent uses it, drives the common calls.

func newClient(t *testing.T, o catalog.Options) *api.Client {
	t.Helper()
	_, url := serve(t, o)
	config := api.DefaultConfig()
	config.Address = url
	config.Transport = &http.Transport{}
	t.Cleanup(config.Transport.CloseIdleConnections)
	if o.ACL != nil {
		config.Token = o.ACL.InitialManagement
	}
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestClientWatchesAService(t *testing.T) {
	client := newClient(t, catalog.Options{})
	agent, health := client.Agent(), client.Health()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(agent.ServiceRegister(&api.AgentServiceRegistration{
		ID: "web-1", Name: "web", Tags: []string{"v2", "blue"}, Address: "127.0.0.9", Port: 8081,
		Meta:    map[string]string{"zone": "a"},
		Weights: &api.AgentWeights{Passing: 3, Warning: 1},
		Check:   &api.AgentServiceCheck{CheckID: "ttl", TTL: "1m", DeregisterCriticalServiceAfter: "10m"},
	}))
	var index uint64
	// next blocks until the service changes and returns the status of web-1.
	next := func() string {
		entries, meta, err := health.ServiceMultipleTags("web", []string{"V2", "blue"}, false,
			(&api.QueryOptions{AllowStale: true, WaitIndex: index}).WithContext(t.Context()))
		if err != nil {
			return err.Error()
		}
		if meta.LastIndex <= index || !meta.KnownLeader {
			t.Errorf("index %d after %d, known leader %t", meta.LastIndex, index, meta.KnownLeader)
		}
		index = meta.LastIndex
		if len(entries) == 0 {
			return "gone"
		}
		if e := entries[0]; e.Service.Port != 8081 || e.Service.Weights.Passing != 3 || e.Service.Meta["zone"] != "a" {
			t.Errorf("%+v", e.Service)
		}
		return entries[0].Checks.AggregatedStatus()
	}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, api.HealthCritical},
		{func() error { return agent.UpdateTTL("ttl", "well", api.HealthPassing) }, api.HealthPassing},
		{func() error { return agent.WarnTTL("ttl", "slow") }, api.HealthWarning},
		{func() error { return agent.EnableServiceMaintenance("web-1", "patching") }, api.HealthMaint},
		{func() error { return agent.DisableServiceMaintenance("web-1") }, api.HealthWarning},
		{func() error { return agent.EnableNodeMaintenance("kernel") }, api.HealthMaint},
		{func() error { return agent.DisableNodeMaintenance() }, api.HealthWarning},
		{func() error {
			return agent.CheckRegister(&api.AgentCheckRegistration{
				ID: "own", Name: "own", ServiceID: "web-1",
				AgentServiceCheck: api.AgentServiceCheck{TTL: "1m", Status: api.HealthCritical},
			})
		}, api.HealthCritical},
		{func() error { return agent.CheckDeregister("own") }, api.HealthWarning},
		{func() error { return agent.ServiceDeregister("web-1") }, "gone"},
	} {
		changed := make(chan string)
		go func() { changed <- next() }()
		ok(step.do())
		if got := <-changed; got != step.want {
			t.Errorf("status %q, want %q", got, step.want)
		}
	}
	if err := agent.PassTTL("ttl", ""); err == nil {
		t.Error("the check of a service that is gone was passed")
	}
}

func TestClientRegistersExternally(t *testing.T) {
	client := newClient(t, catalog.Options{})
	_, err := client.Catalog().Register(&api.CatalogRegistration{
		Node: "ext", Address: "127.0.0.21", NodeMeta: map[string]string{"rack": "9"},
		Service: &api.AgentService{ID: "db-1", Service: "db", Port: 5432, Weights: api.AgentWeights{Passing: 2, Warning: 1}},
		Checks:  api.HealthChecks{{CheckID: "db-1", Name: "db", ServiceID: "db-1", Status: api.HealthPassing, Definition: api.HealthCheckDefinition{TCP: "127.0.0.21:5432"}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := client.Health().Service("db", "", true, &api.QueryOptions{Filter: `Node.Meta.rack == "9"`})
	if err != nil || len(entries) != 1 || entries[0].Checks[0].Type != "tcp" {
		t.Fatalf("%v, %v", entries, err)
	}
	services, _, err := client.Catalog().Services(nil)
	if err != nil || services["db"] == nil || services["consul"] == nil {
		t.Errorf("%v, %v", services, err)
	}
	if _, err := client.Catalog().Deregister(&api.CatalogDeregistration{Node: "ext"}, nil); err != nil {
		t.Fatal(err)
	}
	nodes, _, err := client.Catalog().Nodes(nil)
	if err != nil || len(nodes) != 1 {
		t.Errorf("%v, %v", nodes, err)
	}
	self, err := client.Agent().Self()
	if err != nil || self["Config"]["NodeName"] != "dev-node" {
		t.Errorf("%v, %v", self, err)
	}
}

func TestClientAndACLs(t *testing.T) {
	client := newClient(t, catalog.Options{ACL: &catalog.ACL{InitialManagement: management}})
	if err := client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := client.ACL().PolicyCreate(&api.ACLPolicy{Name: "web", Rules: `service "web" { policy = "read" } node_prefix "" { policy = "read" }`}, nil); err != nil {
		t.Fatal(err)
	}
	token, _, err := client.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{Name: "web"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	own := &api.QueryOptions{Token: token.SecretID}
	if self, _, err := client.ACL().TokenReadSelf(own); err != nil || self.AccessorID != token.AccessorID {
		t.Errorf("%v, %v", self, err)
	}
	entries, _, err := client.Health().Service("web", "", false, own)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	services, meta, err := client.Catalog().Services(own)
	if err != nil || len(services) != 1 || !meta.ResultsFilteredByACLs {
		t.Errorf("%v, %+v, %v", services, meta, err)
	}
	if _, err := client.ACL().TokenDelete(token.AccessorID, nil); err != nil {
		t.Fatal(err)
	}
	_, _, err = client.Health().Service("web", "", false, own)
	if status, ok := errors.AsType[api.StatusError](err); !ok || status.Code != http.StatusForbidden {
		t.Errorf("a deleted token: %v", err)
	}
}

func TestClientPreparedQuery(t *testing.T) {
	client := newClient(t, catalog.Options{})
	for _, tags := range [][]string{{"v1"}, {"v2"}} {
		if err := client.Agent().ServiceRegister(&api.AgentServiceRegistration{ID: tags[0], Name: "web", Tags: tags}); err != nil {
			t.Fatal(err)
		}
	}
	for n, test := range []struct {
		tags []string
		want []string
	}{{nil, []string{"v1", "v2"}}, {[]string{"V2"}, []string{"v2"}}, {[]string{"!v2"}, []string{"v1"}}, {[]string{"v1", "v2"}, nil}} {
		id, _, err := client.PreparedQuery().Create(&api.PreparedQueryDefinition{
			Name: "q" + strconv.Itoa(n), Service: api.ServiceQuery{Service: "web", Tags: test.tags},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, _, err := client.PreparedQuery().Execute(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range answer.Nodes {
			got = append(got, e.Service.ID)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("tags %q: %q, want %q", test.tags, got, test.want)
		}
	}
}
