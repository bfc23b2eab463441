package consul

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// entry is a plain healthy instance, changed by each of the changes.
func entry(changes ...func(*api.ServiceEntry)) *api.ServiceEntry {
	e := &api.ServiceEntry{
		Node:    &api.Node{Node: "n1", Address: "10.0.0.1"},
		Service: &api.AgentService{ID: "web-1", Service: "web", Port: 80, Weights: api.AgentWeights{Passing: 1, Warning: 1}},
		Checks:  api.HealthChecks{{CheckID: "serfHealth", Status: "passing"}},
	}
	for _, change := range changes {
		change(e)
	}
	return e
}

// snapshotFrom is what entries come to together.
func snapshotFrom(entries []*api.ServiceEntry, q Query) discovery.Snapshot {
	var all []*reading
	for _, e := range entries {
		all = append(all, readingOf(e, q, q.ignored()))
	}
	return snapshotOf(all)
}

func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tag    string
		change func(*api.ServiceEntry)
		want   string // "" for left out
	}{
		{"the node's", "", func(*api.ServiceEntry) {}, "10.0.0.1:80"},
		{"the service's own first", "", func(e *api.ServiceEntry) { e.Service.Address = "10.9.9.9" }, "10.9.9.9:80"},
		{"a name", "", func(e *api.ServiceEntry) { e.Service.Address = "web.internal" }, "web.internal:80"},
		{"IPv6", "", func(e *api.ServiceEntry) { e.Service.Address = "2001:db8::1" }, "[2001:db8::1]:80"},
		{"no port", "", func(e *api.ServiceEntry) { e.Service.Port = 0 }, ""},
		{"no port but a socket", "", func(e *api.ServiceEntry) { e.Service.Port, e.Service.SocketPath = 0, "/run/web.sock" }, "unix:///run/web.sock"},
		{"several ports", "", func(e *api.ServiceEntry) {
			e.Service.Port = 0
			e.Service.Ports = api.ServicePorts{{Name: "admin", Port: 1}, {Name: "http", Port: 8080, Default: true}}
		}, "10.0.0.1:8080"},
		{"an impossible port", "", func(e *api.ServiceEntry) { e.Service.Port = 70000 }, ""},
		{"tagged", "wan", func(e *api.ServiceEntry) {
			e.Service.TaggedAddresses = map[string]api.ServiceAddress{"wan": {Address: "198.51.100.7", Port: 8443}}
		}, "198.51.100.7:8443"},
		{"tagged without a port", "wan", func(e *api.ServiceEntry) {
			e.Service.TaggedAddresses = map[string]api.ServiceAddress{"wan": {Address: "198.51.100.7"}}
		}, "198.51.100.7:80"},
		{"the service's own before the node's tagged one", "wan", func(e *api.ServiceEntry) {
			e.Service.Address = "10.9.9.9"
			e.Node.TaggedAddresses = map[string]string{"wan": "198.51.100.1"}
		}, "10.9.9.9:80"},
		{"the node's tagged one", "wan", func(e *api.ServiceEntry) { e.Node.TaggedAddresses = map[string]string{"wan": "198.51.100.1"} }, "198.51.100.1:80"},
		{"tagged, but not there", "wan", func(*api.ServiceEntry) {}, "10.0.0.1:80"},
		{"tagged addresses that nobody asked for", "", func(e *api.ServiceEntry) {
			e.Service.TaggedAddresses = map[string]api.ServiceAddress{"": {Address: "1.1.1.1"}, "virtual": {Address: "240.0.0.1"}}
		}, "10.0.0.1:80"},
		{"a sidecar proxy", "", func(e *api.ServiceEntry) { e.Service.Kind = api.ServiceKindConnectProxy }, ""},
		{"a gateway", "", func(e *api.ServiceEntry) { e.Service.Kind = api.ServiceKindMeshGateway }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshotFrom([]*api.ServiceEntry{entry(tt.change)}, Query{TaggedAddress: tt.tag})
			got := ""
			if len(s.Instances) > 0 {
				got = s.Instances[0].Address
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			kind := entry(tt.change).Service.Kind
			if skipped := len(s.Skipped) > 0; skipped != (tt.want == "" && kind == "") {
				t.Errorf("skipped %q", s.Skipped)
			}
		})
	}
}

func TestWeights(t *testing.T) {
	for _, tt := range []struct{ passing, warning, weight, warningWeight int }{
		{0, 0, 1, 1}, // absent
		{5, 1, 5, 1},
		{5, 0, 5, 0}, // takes nothing while warning
		{70000, 70000, 65535, 65535},
		{-1, -1, 1, 0},
	} {
		i, _ := instanceOf(entry(func(e *api.ServiceEntry) {
			e.Service.Weights = api.AgentWeights{Passing: tt.passing, Warning: tt.warning}
		}), Query{}, nil)
		if i.Weight != tt.weight || i.Declared.WarningWeight != tt.warningWeight {
			t.Errorf("weights %d and %d become %d and %d", tt.passing, tt.warning, i.Weight, i.Declared.WarningWeight)
		}
	}
}

func TestDeclarations(t *testing.T) {
	check := func(id, status string) *api.HealthCheck {
		return &api.HealthCheck{CheckID: id, Status: status, Output: id + " says " + status}
	}
	for _, tt := range []struct {
		name   string
		checks api.HealthChecks
		want   health.Status
		by     string
	}{
		{"no checks", nil, health.Passing, ""},
		{"all pass", api.HealthChecks{check("serfHealth", "passing"), check("http", "passing")}, health.Passing, ""},
		{"one warns", api.HealthChecks{check("serfHealth", "passing"), check("http", "warning")}, health.Warning, "http"},
		{"critical before warning", api.HealthChecks{check("a", "warning"), check("b", "critical")}, health.Critical, "b"},
		{"the first of two", api.HealthChecks{check("a", "critical"), check("b", "critical")}, health.Critical, "a"},
		{"only the node's agent", api.HealthChecks{check("serfHealth", "critical"), check("http", "passing")}, health.NodeCritical, "serfHealth"},
		{"only the node's agent, and a warning", api.HealthChecks{check("http", "warning"), check("serfHealth", "critical")}, health.NodeCritical, "serfHealth"},
		{"the node's agent and another", api.HealthChecks{check("serfHealth", "critical"), check("http", "critical")}, health.Critical, "http"},
		{"maintenance of the node", api.HealthChecks{check("http", "critical"), check("_node_maintenance", "critical")}, health.Maintenance, "_node_maintenance"},
		{"maintenance of the service", api.HealthChecks{check("_service_maintenance:web-1", "critical"), check("http", "passing")}, health.Maintenance, "_service_maintenance:web-1"},
		{"an unknown status", api.HealthChecks{check("http", "sideways")}, health.Warning, "http"},
		{"a hole in the list", api.HealthChecks{nil, check("http", "warning")}, health.Warning, "http"},
	} {
		if d := declarationOf(tt.checks, nil); d.Status != tt.want || d.Check != tt.by || d.Check != "" && !strings.HasPrefix(d.Output, d.Check) {
			t.Errorf("%s: %v by %q (%q), want %v by %q", tt.name, d.Status, d.Check, d.Output, tt.want, tt.by)
		}
	}
	long := declarationOf(api.HealthChecks{{CheckID: "x", Status: "critical", Output: strings.Repeat("é", 1000)}}, nil)
	if len(long.Output) > outputLimit+len("…") || strings.ContainsRune(long.Output, '\uFFFD') {
		t.Errorf("%d bytes of output: %q", len(long.Output), long.Output)
	}
}

func TestSnapshotsAreSortedAndDistinct(t *testing.T) {
	on := func(node, id string, port int, status string) *api.ServiceEntry {
		return entry(func(e *api.ServiceEntry) {
			e.Node.Node, e.Service.ID, e.Service.Port = node, id, port
			e.Checks = api.HealthChecks{{CheckID: "c", Status: status}}
		})
	}
	s := snapshotFrom([]*api.ServiceEntry{
		on("b", "web", 80, "passing"), on("a", "web", 81, "passing"), // the same ID on two nodes
		on("c", "old", 90, "critical"), on("c", "new", 90, "passing"), // one address under two IDs
		on("a", "web", 81, "passing"), // twice
		nil, {Node: &api.Node{}}, {Service: &api.AgentService{}},
	}, Query{})
	var got []string
	for _, i := range s.Instances {
		got = append(got, i.ID+" "+i.Declared.Status.String())
	}
	if want := "a/web passing, b/web passing, c/new passing"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if len(s.Skipped) != 5 {
		t.Errorf("skipped %q", s.Skipped)
	}
}

func TestIDsTellTenantsApart(t *testing.T) {
	seen := make(map[string]bool)
	for _, change := range []func(*api.ServiceEntry){
		func(*api.ServiceEntry) {},
		func(e *api.ServiceEntry) { e.Service.Namespace = "team" },
		func(e *api.ServiceEntry) { e.Service.Partition = "part" },
		func(e *api.ServiceEntry) { e.Service.PeerName = "peer" },
	} {
		id := identify(entry(change))
		if seen[id] {
			t.Errorf("two have the ID %q", id)
		}
		seen[id] = true
	}
	if id := identify(entry(func(e *api.ServiceEntry) { e.Service.Namespace, e.Service.Partition = "default", "default" })); id != "n1/web-1" {
		t.Errorf("the default tenant shows: %q", id)
	}
}

func TestZones(t *testing.T) {
	located := func(e *api.ServiceEntry) {
		e.Node.Locality, e.Service.Locality = &api.Locality{Zone: "n"}, &api.Locality{Zone: "s"}
	}
	tagged := func(e *api.ServiceEntry) {
		e.Node.Meta, e.Service.Meta = map[string]string{"rack": "r1"}, map[string]string{"rack": "r2"}
	}
	for _, tt := range []struct {
		name, from, want string
		entry            *api.ServiceEntry
	}{
		{"no locality", "", "", entry()},
		{"the node's", "", "n", entry(func(e *api.ServiceEntry) { e.Node.Locality = &api.Locality{Zone: "n"} })},
		{"the service's before it", "", "s", entry(located)},
		{"metadata that nobody asked for", "", "s", entry(located, tagged)},
		{"metadata of the node", "node_meta:rack", "r1", entry(located, tagged)},
		{"metadata of the service", "service_meta:rack", "r2", entry(located, tagged)},
		{"metadata that is not there", "service_meta:zone", "", entry(located, tagged)},
		{"no metadata at all", "node_meta:rack", "", entry(located)},
	} {
		s := snapshotFrom([]*api.ServiceEntry{tt.entry}, Query{ZoneFrom: tt.from})
		if z := s.Instances[0].Zone; z != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, z, tt.want)
		}
	}
}

// Whatever an instance says of its priority, it is not left out.
func TestPriorities(t *testing.T) {
	for _, tt := range []struct {
		from, node, service string
		want                int
		odd                 bool
	}{
		{"", "5", "6", 0, false},
		{"node_meta:group", "5", "6", 5, false},
		{"service_meta:group", "5", "6", 6, false},
		{"service_meta:group", "5", "", 0, false},
		{"service_meta:group", "5", "  ", 0, false},
		{"service_meta:group", "", " 127\n", 127, false},
		{"service_meta:group", "", "128", 0, true},
		{"service_meta:group", "", "-1", 0, true},
		{"service_meta:group", "", "1.5", 0, true},
		{"service_meta:group", "", "first\x1b", 0, true},
		{"node_meta:group", "99999999999999999999", "", 0, true},
	} {
		s := snapshotFrom([]*api.ServiceEntry{entry(func(e *api.ServiceEntry) {
			e.Node.Meta, e.Service.Meta = map[string]string{"group": tt.node}, map[string]string{"group": tt.service}
		})}, Query{PriorityFrom: tt.from})
		if len(s.Instances) != 1 || len(s.Skipped) != 0 {
			t.Fatalf("%+v: left out: %q", tt, s.Skipped)
		}
		if p := s.Instances[0].Priority; p != tt.want || (len(s.Notes) > 0) != tt.odd {
			t.Errorf("%+v: %d, notes %q", tt, p, s.Notes)
		}
		if tt.odd && !strings.HasPrefix(s.Notes[0], "n1/web-1: its priority ") {
			t.Errorf("%+v: noted as %q", tt, s.Notes)
		}
	}
	if s := snapshotFrom([]*api.ServiceEntry{entry()}, Query{PriorityFrom: "service_meta:group"}); s.Instances[0].Priority != 0 || s.Notes != nil {
		t.Errorf("without metadata: %+v", s)
	}
}

// An answer that an earlier version kept on disk is known by these words.
func TestQuestionsKeepTheirNames(t *testing.T) {
	q := Query{Service: "web", Filter: "f", Datacenter: "dc", Namespace: "ns", Partition: "p", Near: "n", TaggedAddress: "lan"}
	const before = "{Service:web Filter:f Datacenter:dc Namespace:ns Partition:p Near:n TaggedAddress:lan}"
	if got := q.String(); got != before {
		t.Errorf("got %s", got)
	}
	seen := map[string]bool{before: true}
	peer, ignore := q, q
	peer.Peer, ignore.Ignore = "east", "mem"
	for _, q := range []Query{peer, ignore} {
		if seen[q.String()] {
			t.Errorf("two questions are both %s", q)
		}
		seen[q.String()] = true
	}
	for _, from := range []string{"node_meta:a", "service_meta:a"} {
		zone, priority := q, q
		zone.ZoneFrom, priority.PriorityFrom = from, from
		for _, q := range []Query{zone, priority} {
			if seen[q.String()] {
				t.Errorf("two questions are both %s", q)
			}
			seen[q.String()] = true
		}
	}
}

func TestFilters(t *testing.T) {
	for want, got := range map[string]string{
		"":                     FilterOf(nil, ""),
		`Node.Node == "a"`:     FilterOf(nil, `Node.Node == "a"`),
		`"v2" in Service.Tags`: FilterOf([]string{"v2"}, ""),
		`"a" in Service.Tags and "b" in Service.Tags and (x == "1" or y == "2")`: FilterOf([]string{"a", "b"}, `x == "1" or y == "2"`),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzSnapshotOf(f *testing.F) {
	f.Add([]byte(`[{"Node":{"Node":"n","Address":"::1"},"Service":{"ID":"a","Port":1},"Checks":[{"CheckID":"c","Status":"critical"}]}]`), "lan", "", "")
	f.Add([]byte(`[null,{"Service":null},{"Node":{},"Service":{"Ports":[{"Default":true}],"TaggedAddresses":{"lan":{}}}}]`), "lan", "node_meta:z", "service_meta:p")
	f.Add([]byte(`[{"Node":{"Node":"n","Address":"::1","Meta":{"z":"a","p":"7"}},"Service":{"ID":"a","Port":1,"Meta":{"p":"x"}}}]`), "", "node_meta:z", "service_meta:p")
	f.Fuzz(func(t *testing.T, raw []byte, tag, zone, priority string) {
		var entries []*api.ServiceEntry
		if json.Unmarshal(raw, &entries) != nil {
			return
		}
		q := Query{TaggedAddress: tag, ZoneFrom: zone, PriorityFrom: priority, Ignore: tag}
		s := snapshotFrom(entries, q)
		addresses := make(map[string]bool)
		for i, instance := range s.Instances {
			if len(instance.Checks) > checksLimit {
				t.Errorf("%d checks", len(instance.Checks))
			}
			if instance.Address == "" || instance.Weight < 1 || instance.Priority < 0 || instance.Priority > maxPriority || addresses[instance.Address] {
				t.Errorf("of no use: %+v", instance)
			}
			addresses[instance.Address] = true
			if i > 0 && s.Instances[i-1].ID >= instance.ID {
				t.Errorf("%q comes after %q", instance.ID, s.Instances[i-1].ID)
			}
		}
		if again := snapshotFrom(entries, q); !again.Equal(s) {
			t.Error("the same entries give another snapshot")
		}
	})
}
