package consul

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func TestIgnoredChecks(t *testing.T) {
	checks := api.HealthChecks{
		{CheckID: "serfHealth", Name: "Serf Health Status", Status: "critical"},
		{CheckID: "mem", Name: "memory", Status: "warning"},
		{CheckID: "http", Name: "web over HTTP", Status: "critical", ServiceID: "web-1"},
	}
	maintenance := append(checks[:3:3], &api.HealthCheck{CheckID: "_node_maintenance", Name: "Node Maintenance Mode", Status: "critical"})
	for _, tt := range []struct {
		name   string
		checks api.HealthChecks
		ignore []string
		want   health.Status
		by     string
	}{
		{"none", checks, nil, health.Critical, "http"},
		{"by name", checks, []string{"web over HTTP"}, health.NodeCritical, "serfHealth"},
		{"by ID", checks, []string{"http", "serfHealth"}, health.Warning, "mem"},
		{"all", checks, []string{"memory", "http", "serfHealth"}, health.Passing, ""},
		{"a part of a name", checks, []string{"web", "HTTP", ""}, health.Critical, "http"},
		{"maintenance is no check", maintenance, []string{"_node_maintenance", "Node Maintenance Mode", "http"}, health.Maintenance, "_node_maintenance"},
	} {
		s := snapshotFrom([]*api.ServiceEntry{entry(func(e *api.ServiceEntry) { e.Checks = tt.checks })}, Query{Ignore: IgnoreOf(tt.ignore)})
		if d := s.Instances[0].Declared; d.Status != tt.want || d.Check != tt.by {
			t.Errorf("%s: %v by %q", tt.name, d.Status, d.Check)
		}
		if n := len(s.Instances[0].Checks); n != len(tt.checks) {
			t.Errorf("%s: %d checks are told of", tt.name, n)
		}
	}
	if one, other := (Query{Ignore: IgnoreOf([]string{"b", "a", "b"})}), (Query{Ignore: IgnoreOf([]string{"a", "b"})}); one != other {
		t.Error("the same checks make another query")
	}
}

// All checks are told of, within bounds, and those that only print something
// new change nothing for traffic.
func TestChecksAreToldOf(t *testing.T) {
	of := func(output string) discovery.Snapshot {
		return snapshotFrom([]*api.ServiceEntry{entry(func(e *api.ServiceEntry) {
			e.Checks = api.HealthChecks{
				{CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing", Output: "Agent alive and reachable"}, nil,
				{CheckID: "http", Name: "over HTTP", Status: "warning", ServiceID: "web-1", Output: output},
				{CheckID: "disk", Name: "disk", Status: "critical", ServiceID: "web-1"},
			}
		})}, Query{Ignore: "disk"})
	}
	one, other := of(" 200 OK\n"), of("201 Created")
	want := []discovery.Check{
		{ID: "serfHealth", Name: "Serf Health Status", Status: "passing", Output: "Agent alive and reachable", Node: true},
		{ID: "http", Name: "over HTTP", Status: "warning", Output: "200 OK"},
		{ID: "disk", Name: "disk", Status: "critical", Ignored: true},
	}
	if got := one.Instances[0].Checks; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v", got)
	}
	if !one.Equal(other) || other.Instances[0].Checks[1].Output != "201 Created" {
		t.Error("another output is another state, or does not show")
	}

	var checks api.HealthChecks
	for range 100 {
		checks = append(checks, &api.HealthCheck{CheckID: strings.Repeat("i", 1000), Name: strings.Repeat("n", 1000), Output: strings.Repeat("o", 10000)})
	}
	bounded, size := checksOf(checks, nil), 0
	for _, c := range bounded {
		size += len(c.ID + c.Name + c.Status + c.Output)
	}
	if len(bounded) != checksLimit || size > checksLimit*(outputLimit+2*nameLimit+20) {
		t.Errorf("%d checks of %d bytes", len(bounded), size)
	}
}

// A check that decides shows, however many others there are.
func TestTheCheckThatDecidesIsAmongThoseToldOf(t *testing.T) {
	var checks api.HealthChecks
	for i := range 100 {
		checks = append(checks, &api.HealthCheck{CheckID: fmt.Sprint("c", i), Status: "passing"})
	}
	checks[99].Status = "critical"
	for _, c := range checksOf(checks, nil) {
		if c.ID == "c99" {
			return
		}
	}
	t.Error("it is cut off")
}
