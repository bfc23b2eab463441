package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

func TestPlans(t *testing.T) {
	_, address := catalogOf(t, catalog.Options{ACL: &catalog.ACL{InitialManagement: management}})
	call(t, address, http.MethodPost, "/v1/query", management, api.PreparedQueryDefinition{Name: "web-q", Service: api.ServiceQuery{
		Service: "web", OnlyPassing: true, Tags: []string{"v2", "!canary"}, Near: "_agent",
		NodeMeta: map[string]string{"rack": "9"}, ServiceMeta: map[string]string{"team": "a", "env": "b"},
		IgnoreCheckIDs: []string{"mem"},
		Failover:       api.QueryFailoverOptions{Datacenters: []string{"dc2", "dc3", "dc2"}},
	}}, nil)
	call(t, address, http.MethodPost, "/v1/query", management, api.PreparedQueryDefinition{Name: "near-q", Service: api.ServiceQuery{
		Service: "web", Failover: api.QueryFailoverOptions{NearestN: 2},
	}}, nil)
	token, _ := tokenWith(t, address, "own", `query_prefix "" { policy = "read" } service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`)
	client := clientOf(t, Config{Address: address, Token: token})
	p, err := client.Plan(t.Context(), "web-q")
	if err != nil || p.Service != "web" || !p.OnlyPassing || len(p.Places) != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.Places[0].Datacenter != "" || p.Places[1].Datacenter != "dc2" || p.Places[2].Datacenter != "dc3" || p.Places[0].Near != "_agent" || p.Places[1].Near != "" {
		t.Errorf("%+v", p.Places)
	}
	// The filter means what the query does.
	for id, instance := range map[string]map[string]any{
		"good":   {"Tags": []string{"v2"}, "Meta": map[string]string{"team": "a", "env": "b"}},
		"canary": {"Tags": []string{"v2", "canary"}, "Meta": map[string]string{"team": "a", "env": "b"}},
		"old":    {"Tags": []string{"v1"}, "Meta": map[string]string{"team": "a", "env": "b"}},
		"other":  {"Tags": []string{"v2"}, "Meta": map[string]string{"team": "x", "env": "b"}},
	} {
		instance["ID"], instance["Service"], instance["Port"] = id, "web", 80+len(id)
		call(t, address, http.MethodPut, "/v1/catalog/register", management, map[string]any{
			"Node": "n9", "Address": "10.0.0.9", "NodeMeta": map[string]string{"rack": "9"}, "Service": instance,
		}, nil)
	}
	s, err := client.Source(p.Places[0]).Fetch(t.Context(), 0)
	if err != nil || len(s.Instances) != 1 || s.Instances[0].ID != "n9/good" {
		t.Errorf("%s finds %+v, %v", p.Places[0].Filter, s.Instances, err)
	}
	if p, err := client.Plan(t.Context(), "near-q"); err != nil || len(p.Places) != 1 { // there is no other
		t.Errorf("%+v, %v", p, err)
	}
	for name, class := range map[string]string{"nope": "request", "../x": "answer"} {
		_, err := client.Plan(t.Context(), name)
		if known, ok := errors.AsType[*discovery.Error](err); !ok || known.Class != class || !strings.Contains(err.Error(), "prepared query") {
			t.Errorf("%q: %v", name, err)
		}
	}
	none, _ := tokenWith(t, address, "none", `service_prefix "" { policy = "read" }`)
	if _, err := clientOf(t, Config{Address: address, Token: none}).Plan(t.Context(), "web-q"); err == nil || !strings.Contains(err.Error(), "denied") {
		t.Errorf("without the right to: %v", err)
	}
}

func TestPlacesOfAPlan(t *testing.T) {
	p := planOf(api.ServiceQuery{Service: "web", Namespace: "team", Failover: api.QueryFailoverOptions{
		Datacenters: []string{"dc3", "dc2"},
		Targets:     []api.QueryFailoverTarget{{Peer: "east"}, {Datacenter: "dc9", Partition: "p", Namespace: "n"}},
	}}, []string{"dc2"})
	var got []string
	for _, q := range p.Places {
		got = append(got, fmt.Sprint(q.Datacenter, "|", q.Peer, "|", q.Partition, "|", q.Namespace))
	}
	if want := "|||team dc2|||team dc3|||team |east||team dc9||p|n"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A plan is read rarely, told when it changes, and kept when it cannot be read.
func TestPlansAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, begin := 0, time.Now()
		var asked []time.Duration
		client := bubbled(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n++
			asked = append(asked, time.Since(begin))
			if n == 2 {
				http.Error(w, "No cluster leader", http.StatusInternalServerError)
				return
			}
			dc := "dc2"
			if n > 3 {
				dc = "dc3"
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"Query": api.PreparedQueryDefinition{Service: api.ServiceQuery{
				Service: "web", Failover: api.QueryFailoverOptions{Datacenters: []string{dc}},
			}}})
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var told []string
		client.FollowPlan(ctx, "q", func(p Plan, err error) {
			if err != nil {
				told = append(told, "error")
				return
			}
			told = append(told, p.Places[1].Datacenter)
		})
		if strings.Join(told, " ") != "dc2 error dc2 dc3" {
			t.Errorf("told %q", told)
		}
		if n < 5 || n > 9 || asked[2]-asked[1] > time.Minute {
			t.Errorf("asked at %v", asked)
		}
	})
}
