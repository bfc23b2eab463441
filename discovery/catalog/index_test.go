package catalog_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// readers are the queries whose index is watched, by a short name.
var readers = map[string]string{
	"nodes": "/v1/catalog/nodes", "services": "/v1/catalog/services",
	"c/web": "/v1/catalog/service/web", "h/web": "/v1/health/service/web",
	"c/old": "/v1/catalog/service/old", "h/old": "/v1/health/service/old",
	"c/none": "/v1/catalog/service/none", "h/none": "/v1/health/service/none",
	"h/consul": "/v1/health/service/consul", "mesh": "/v1/health/connect/web",
	"n/dev": "/v1/catalog/node/dev-node", "n/x": "/v1/catalog/node/x",
	"checks": "/v1/health/state/any", "checks/web": "/v1/health/checks/web", "checks/x": "/v1/health/node/x",
}

// Which indexes a write moves was recorded from Consul 1.21.4 write by write;
// moves lists the readers that see a new index afterwards, always the same.
func TestWhatMovesWhichIndex(t *testing.T) {
	const (
		register   = "/v1/agent/service/register"
		external   = "/v1/catalog/register"
		deregister = "/v1/catalog/deregister"
		allChecks  = " checks checks/web checks/x"
		nobody     = " c/none h/none c/old h/old mesh"
	)
	steps := []struct{ name, path, body, moves string }{
		{"a service", register, `{"Name": "web", "Port": 1}`, "nodes services c/web h/web n/dev c/none h/none c/old h/old mesh"},
		{"the same again", register, `{"Name": "web", "Port": 1}`, ""},
		{"another port", register, `{"Name": "web", "Port": 2}`, "nodes services c/web h/web n/dev c/none h/none c/old h/old mesh"},
		{"its first check", register, `{"Name": "web", "Port": 2, "Check": {"CheckID": "c", "TTL": "1m"}}`, "c/web h/web h/none h/old mesh" + allChecks},
		{"the same with check", register, `{"Name": "web", "Port": 2, "Check": {"CheckID": "c", "TTL": "1m"}}`, ""},
		{"the check passes", "/v1/agent/check/pass/c", "", "c/web h/web h/none h/old mesh" + allChecks},
		{"it passes again", "/v1/agent/check/pass/c", "", ""},
		{"with an output, which waits", "/v1/agent/check/pass/c?note=hi", "", ""},
		{"without its check", register + "?replace-existing-checks=true", `{"Name": "web", "Port": 2}`, "c/web h/web h/none h/old mesh" + allChecks},
		{"another service", register, `{"Name": "old"}`, "nodes services c/old h/old n/dev c/none h/none"},
		{"is gone: the first extinction", "/v1/agent/service/deregister/old", "", "nodes services n/dev" + nobody + allChecks},

		{"a node check", "/v1/agent/check/register", `{"Name": "disk", "TTL": "1m"}`, "c/web h/web h/consul" + allChecks},
		{"passes", "/v1/agent/check/pass/disk", "", "c/web h/web h/consul" + allChecks},
		{"is gone", "/v1/agent/check/deregister/disk", "", "services c/web h/web h/consul" + allChecks},
		{"maintenance", "/v1/agent/maintenance?enable=true", "", "c/web h/web h/consul" + allChecks},
		{"maintenance again", "/v1/agent/maintenance?enable=true", "", ""},
		{"no maintenance", "/v1/agent/maintenance?enable=false", "", "services c/web h/web h/consul" + allChecks},
		{"no maintenance again", "/v1/agent/maintenance?enable=false", "", ""},

		{"a node", external, `{"Node": "x", "Address": "127.0.0.2"}`, "nodes n/x"},
		{"the same node", external, `{"Node": "x", "Address": "127.0.0.2"}`, ""},
		{"a service on it", external, `{"Node": "x", "Address": "127.0.0.2", "Service": {"Service": "old", "Port": 1}}`, "nodes services n/x c/old h/old"},
		{"the same service", external, `{"Node": "x", "Address": "127.0.0.2", "Service": {"Service": "old", "Port": 1}}`, ""},
		{"the node moves", external, `{"Node": "x", "Address": "127.0.0.3"}`, "nodes n/x c/old h/old"},
		{"not its business", external, `{"Node": "x", "Address": "127.0.0.4", "SkipNodeUpdate": true}`, ""},
		{"a check of the node", external, `{"Node": "x", "SkipNodeUpdate": true, "Check": {"Name": "n", "Status": "passing"}}`, "c/old h/old" + allChecks},
		{"its output", external, `{"Node": "x", "SkipNodeUpdate": true, "Check": {"Name": "n", "Status": "passing", "Output": "o"}}`, "c/old h/old" + allChecks},
		{"a check of the service", external, `{"Node": "x", "SkipNodeUpdate": true, "Check": {"Name": "s", "ServiceID": "old"}}`, "c/old h/old" + allChecks},
		{"service and check at once", external, `{"Node": "x", "SkipNodeUpdate": true, "Service": {"Service": "old", "Port": 2}, "Check": {"Name": "s", "ServiceID": "old", "Status": "passing"}}`, "nodes services n/x c/old h/old" + allChecks},
		{"no check of the node", deregister, `{"Node": "x", "CheckID": "n"}`, "services c/old h/old" + allChecks},
		{"no such check", deregister, `{"Node": "x", "CheckID": "n"}`, ""},
		{"an instance of two", external, `{"Node": "x", "SkipNodeUpdate": true, "Service": {"Service": "web"}}`, "nodes services n/x c/web h/web"},
		{"one of two is gone", deregister, `{"Node": "x", "ServiceID": "web"}`, "nodes services n/x c/web h/web" + allChecks},
		{"the last one is gone", deregister, `{"Node": "x", "ServiceID": "old"}`, "nodes services n/x" + nobody + allChecks},
		{"no such service", deregister, `{"Node": "x", "ServiceID": "old"}`, ""},
		{"the empty node is gone", deregister, `{"Node": "x"}`, "nodes n/x"},
		{"no such node", deregister, `{"Node": "x"}`, ""},
		{"the last of all", "/v1/agent/service/deregister/web", "", "nodes services n/dev c/web h/web" + nobody + allChecks},
	}
	c := catalog.New(catalog.Options{})
	look := func() map[string]uint64 {
		seen := map[string]uint64{}
		for name, path := range readers {
			seen[name] = indexOf(t, must(t, c, "GET", path, ""))
		}
		return seen
	}
	before := look()
	latest := before["nodes"]
	for _, step := range steps {
		must(t, c, "PUT", step.path, step.body)
		after := look()
		moved := map[string]bool{}
		for name := range readers {
			if after[name] != before[name] {
				moved[name] = true
				if after[name] != latest+1 {
					t.Errorf("%s: %s has index %d, want %d", step.name, name, after[name], latest+1)
				}
			}
		}
		if len(moved) > 0 {
			latest++
		}
		want := strings.Fields(step.moves)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(moved)); !slices.Equal(got, want) {
			t.Errorf("%s moves %q, want %q", step.name, got, want)
		}
		before = after
	}
}
