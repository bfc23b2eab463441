package config

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// TestFull reads every attribute that there is, and holds the Config against
// the JSON beside the file.
func TestFull(t *testing.T) {
	c, diags := Load("testdata/full.hcl")
	if diags != nil {
		t.Fatal(diags)
	}
	got, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile("testdata/full.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if missing := difference(known(t), shown(t, "testdata/full.hcl")); len(missing) > 0 {
		t.Errorf("full.hcl lacks %v", missing)
	}
	again, _ := Load("testdata/full.hcl")
	if !reflect.DeepEqual(c, again) {
		t.Error("one file gives two Configs that differ")
	}
}

// TestEveryFieldIsKnown finds a field of Config that no attribute fills.
func TestEveryFieldIsKnown(t *testing.T) {
	labels := 5 // Upstream.Name, Server.Name, Check.Type, Registration.Name and ServiceCheck.Type
	if fields, attributes := leaves(reflect.TypeFor[Config]()), len(known(t)); fields != attributes+labels {
		t.Errorf("Config has %d fields, %d of them labels, for %d attributes", fields, labels, attributes)
	}
}

// TestReference holds agent.hcl and the code together, both ways.
func TestReference(t *testing.T) {
	const file = "../../agent.hcl"
	if missing := difference(known(t), shown(t, file)); len(missing) > 0 {
		t.Errorf("agent.hcl does not show %v", missing)
	}
	if extra := difference(shown(t, file), known(t)); len(extra) > 0 {
		t.Errorf("agent.hcl shows %v, which the code does not know", extra)
	}

	c, diags := Load(file)
	if diags != nil {
		t.Fatal(diags)
	}
	if len(c.Upstreams) != 3 {
		t.Fatalf("agent.hcl has %d upstreams, not 3", len(c.Upstreams))
	}
	web, ledger, mail, app := c.Upstreams[0], c.Upstreams[1], c.Upstreams[2], c.Service
	c.Upstreams, c.Service = nil, nil
	equal(t, "the blocks of the agent", c, Default())
	equal(t, "upstream.consul", web.Consul, &Service{
		Name: "web", ZoneFrom: "locality", OnEmpty: "hold", OnEmptyHold: time.Minute,
		Failover: []Failover{{Datacenter: "dc2"}, {Peer: "west"}},
	})
	equal(t, "upstream.sticky", ledger.Sticky, &Sticky{Cookie: "outrigger", Path: "/"})
	equal(t, "server", ledger.Servers[0], Server{Name: "a", Address: "127.0.0.1:8081", Weight: 1})

	var damping Damping
	damping.spec()
	equal(t, "damping", web.Health.Damping, &damping)
	equal(t, "rate_limit", web.Limits.RateLimit, &RateLimit{RequestsPerSecond: 100, Burst: 100})
	var breaker CircuitBreaker
	breaker.spec()
	equal(t, "circuit_breaker", web.Limits.CircuitBreaker, &breaker)
	var adaptive AdaptiveConcurrency
	adaptive.spec()
	equal(t, "adaptive_concurrency", web.Limits.Adaptive, &adaptive)
	var hedge Hedge
	hedge.spec()
	equal(t, "hedge", web.Retry.Hedge, &hedge)
	wantApp := Registration{Name: "shop"}
	wantApp.spec()
	wantApp.Port = app.Port
	for _, kind := range []string{"http", "tcp", "grpc", "ttl"} {
		check := ServiceCheck{Type: kind}
		check.spec()
		wantApp.Checks = append(wantApp.Checks, check)
	}
	equal(t, "service", app, &wantApp)

	check := Check{Type: "http"}
	check.spec()
	equal(t, `check "http"`, web.Health.Check, &check)
	check = Check{Type: "grpc"}
	check.spec()
	equal(t, `check "grpc"`, ledger.Health.Check, &check)

	want := DefaultUpstream("mail")
	want.Listen, want.Servers = mail.Listen, mail.Servers
	want.Protocol, want.Strategy = "tcp", "least_connections"
	equal(t, "upstream of tcp", mail, want)

	var tls BackendTLS
	tls.spec()
	equal(t, "upstream.tls", web.TLS, &tls)

	want = DefaultUpstream("web")
	want.Listen, want.Consul, want.Health.Check = web.Listen, web.Consul, web.Health.Check
	want.Health.Damping, want.TLS, want.Retry.Hedge = web.Health.Damping, web.TLS, web.Retry.Hedge
	want.Limits.RateLimit, want.Limits.CircuitBreaker, want.Limits.Adaptive = web.Limits.RateLimit, web.Limits.CircuitBreaker, web.Limits.Adaptive
	equal(t, "upstream", web, want)
}

func equal(t *testing.T, what string, shown, byDefault any) {
	t.Helper()
	if !reflect.DeepEqual(shown, byDefault) {
		t.Errorf("%s: shown %+v, by default %+v", what, shown, byDefault)
	}
}

// known lists the attributes that may be written, such as "consul.tls.ca_file".
func known(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	var walk func(path string, s spec)
	walk = func(path string, s spec) {
		for _, f := range s.fields {
			names[path+f.name] = true
		}
		for _, c := range s.blocks {
			walk(path+c.name+".", c.spec(c.example))
		}
	}
	walk("", new(Config).spec())
	return slices.Sorted(maps.Keys(names))
}

// shown lists the attributes that a file writes.
func shown(t *testing.T, file string) []string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, diags := hclsyntax.ParseConfig(src, file, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	names := map[string]bool{}
	var walk func(path string, body *hclsyntax.Body)
	walk = func(path string, body *hclsyntax.Body) {
		for name := range body.Attributes {
			names[path+name] = true
		}
		for _, b := range body.Blocks {
			walk(path+b.Type+".", b.Body)
		}
	}
	walk("", parsed.Body.(*hclsyntax.Body))
	return slices.Sorted(maps.Keys(names))
}

// difference is what stands in a and not in b.
func difference(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}

// leaves counts the fields of a struct and of the structs in it.
func leaves(t reflect.Type) int {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[StatusRange]() || t == reflect.TypeFor[Answer]() || t == reflect.TypeFor[netip.Prefix]() {
		return 1
	}
	n := 0
	for i := range t.NumField() {
		n += leaves(t.Field(i).Type)
	}
	return n
}
