package telemetry

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write registry.yaml and REFERENCE.md")

// The files say what the code does.
func TestRegistryFiles(t *testing.T) {
	for name, want := range map[string][]byte{"registry.yaml": registryYAML(Declared()), "REFERENCE.md": referencePage(Declared())} {
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code declares; run go generate ./telemetry", name)
		}
	}
}

// registryYAML writes a registry in the manner of OpenTelemetry's own.
func registryYAML(r Registry) []byte {
	var b bytes.Buffer
	q := strconv.Quote
	group := func(id, kind, brief string) {
		fmt.Fprintf(&b, "  - id: %s\n    type: %s\n    brief: %s\n    stability: development\n", id, kind, q(brief))
	}
	refs := func(keys []attribute.Key) {
		if len(keys) > 0 {
			b.WriteString("    attributes:\n")
		}
		for _, key := range keys {
			fmt.Fprintf(&b, "      - ref: %s\n", key)
		}
	}
	b.WriteString("# Every name that the agent emits. Made by go generate from what the code declares.\ngroups:\n")
	group("registry.outrigger", "attribute_group", "Attributes beside those of the semantic conventions 1.43.")
	b.WriteString("    attributes:\n")
	for _, a := range r.Attributes {
		fmt.Fprintf(&b, "      - id: %s\n        type: %s\n        brief: %s\n        stability: development\n", a.Key, a.Type, q(a.Brief))
	}
	group("resource.outrigger", "entity", "The agent.")
	refs(r.Resource)
	for _, m := range r.Metrics {
		group("metric."+m.Name, "metric", m.Description)
		fmt.Fprintf(&b, "    metric_name: %s\n    instrument: %s\n    unit: %s\n", m.Name, m.Kind, q(m.Unit))
		refs(m.Attributes)
	}
	for _, s := range r.Spans {
		group("span."+s.ID, "span", s.Brief)
		fmt.Fprintf(&b, "    span_kind: %s\n", s.Kind)
		refs(s.Attributes)
	}
	for _, e := range r.Events {
		group("event."+e.Name, "event", e.Brief)
		fmt.Fprintf(&b, "    name: %s\n    note: %s\n", e.Name, q("Counted by "+e.Counter+"."))
		refs(e.Attributes)
	}
	return b.Bytes()
}

// referencePage is the same for people.
func referencePage(r Registry) []byte {
	var b bytes.Buffer
	list := func(keys []attribute.Key) string {
		var names []string
		for _, key := range keys {
			names = append(names, "`"+string(key)+"`")
		}
		if names == nil {
			return "–"
		}
		return strings.Join(names, ", ")
	}
	row := func(cells ...string) {
		for _, c := range cells {
			b.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
		}
		b.WriteString("|\n")
	}
	head := func(title, text string, columns ...string) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", title, text)
		row(columns...)
		row(slices.Repeat([]string{"---"}, len(columns))...)
	}
	b.WriteString("# What the agent emits\n\nMade by `go generate ./telemetry` from what the code declares; tests hold it against\n" +
		"what a running agent emits, both ways. [registry.yaml](registry.yaml) is the same for machines.\n" +
		"Names outside `outrigger.*` are those of OpenTelemetry's semantic conventions 1.43.\n")
	head("Metrics", "In Prometheus, dots become underscores, units and `_total` are added to the names:\n"+
		"`outrigger.ejections` is `outrigger_ejections_total`.", "metric", "kind", "unit", "what", "attributes")
	for _, m := range r.Metrics {
		row("`"+m.Name+"`", string(m.Kind), "`"+m.Unit+"`", m.Description, list(m.Attributes))
	}
	head("Events", "Log records with a name, where `telemetry.logs` has an exporter. Each is also a line of\n"+
		"the log, which has the name as `event`, and counts by one in its counter.", "event", "what", "counter", "attributes")
	for _, e := range r.Events {
		row("`"+e.Name+"`", e.Brief, "`"+e.Counter+"`", list(e.Attributes))
	}
	head("Spans", "Their names are request methods.", "span", "kind", "what", "attributes")
	for _, s := range r.Spans {
		row("`"+s.ID+"`", s.Kind, s.Brief, list(s.Attributes))
	}
	head("Attributes", "Our own.", "attribute", "type", "what")
	for _, a := range r.Attributes {
		row("`"+string(a.Key)+"`", a.Type, a.Brief)
	}
	fmt.Fprintf(&b, "\n## Resource\n\n%s, and what `OTEL_RESOURCE_ATTRIBUTES` adds.\n", list(r.Resource))
	return b.Bytes()
}

// The file is YAML, its groups are told apart, and everything that is referred
// to is declared here or by the conventions.
func TestRegistryIsSound(t *testing.T) {
	var file struct {
		Groups []struct {
			ID, Type, Brief, Unit, Instrument, Name string
			Metric                                  string `yaml:"metric_name"`
			Attributes                              []struct{ ID, Ref, Type, Brief string }
		}
	}
	if err := yaml.Unmarshal(registryYAML(Declared()), &file); err != nil {
		t.Fatal(err)
	}
	own, ids := make(map[string]bool), make(map[string]bool)
	used := make(map[string]bool)
	for _, g := range file.Groups {
		if ids[g.ID] || g.Brief == "" || g.Type == "" {
			t.Errorf("group %q is there twice, or says nothing", g.ID)
		}
		ids[g.ID] = true
		if g.Type == "metric" && (g.Metric == "" || g.Unit == "" || g.Instrument == "") {
			t.Errorf("%+v", g)
		}
		for _, a := range g.Attributes {
			if a.ID != "" {
				if own[a.ID] || a.Type == "" || a.Brief == "" {
					t.Errorf("%+v", a)
				}
				own[a.ID] = true
				continue
			}
			used[a.Ref] = true
		}
	}
	for name := range own {
		if !used[name] {
			t.Errorf("%s is declared, and nothing has it", name)
		}
	}
	conventions := []string{"http.", "url.", "server.", "client.", "network.", "user_agent.", "error.", "rpc.", "service.", "telemetry.", "host.", "process.", "container.", "consul.", "k8s.", "nomad.", "go.", "otel."}
	for name := range used {
		if !own[name] && !slices.ContainsFunc(conventions, func(p string) bool { return strings.HasPrefix(name, p) }) {
			t.Errorf("%s is not declared", name)
		}
	}
	for _, e := range eventKinds() {
		if !slices.ContainsFunc(Instruments(), func(i Instrument) bool { return i.Name == e.Counter && i.Kind == Counter }) {
			t.Errorf("%s is counted by %s, which is no counter", e.Name, e.Counter)
		}
	}
}
