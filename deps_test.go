package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/outrigger-sidecar/outrigger"

// TestArrows keeps the arrows of the house: who may know whom.
func TestArrows(t *testing.T) {
	packages := list(t, "./...")
	for _, rule := range []struct {
		what    string   // the import path, or the beginning of one
		knowers []string // who may import it, below the module
	}{
		{"github.com/hashicorp/hcl/v2", []string{"agent/config"}},
		{"github.com/zclconf/go-cty", []string{"agent/config"}},
		{"github.com/hashicorp/consul/api", []string{"discovery/consul", "examples/two-services"}},
		{"go.opentelemetry.io/", []string{"telemetry"}},
		{"github.com/prometheus/", []string{"telemetry"}},
		{"github.com/go-logr/", []string{"telemetry"}},
		{"github.com/hashicorp/go-hclog", []string{"agent", "agent/command"}},
		{module + "/agent/config", []string{"agent", "agent/command", "agent/dev"}},
		{module + "/discovery/catalog", []string{"agent/dev"}},
		{module + "/telemetry", []string{"agent"}},
	} {
		for _, p := range packages {
			knows := slices.ContainsFunc(p.Imports, func(i string) bool { return strings.HasPrefix(i, rule.what) && i != p.ImportPath })
			name := strings.TrimPrefix(p.ImportPath, module+"/")
			if knows && !slices.Contains(rule.knowers, name) {
				t.Errorf("%s imports %s, which only %v may", name, rule.what, rule.knowers)
			}
		}
	}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, i := range p.Imports {
			own, ours := strings.CutPrefix(i, module+"/")
			switch {
			case (name == "lb" || strings.HasPrefix(name, "lb/")) && (ours && !strings.HasPrefix(own, "lb") || !ours && strings.Contains(i, ".")):
				t.Errorf("%s imports %s: lb stands on the standard library alone", name, i)
			case strings.HasPrefix(name, "discovery") && ours && strings.HasPrefix(own, "agent"):
				t.Errorf("%s imports %s: discovery knows nothing of the agent", name, i)
			case name == "agent/proxy" && ours && own != "lb" && own != "lb/health" && !strings.HasPrefix(own, "agent/proxy/"):
				t.Errorf("%s imports %s: the proxy knows of lb and its own parts only", name, i)
			case (name == "agent/proxy/socket" || name == "agent/proxy/proxyproto") && ours:
				t.Errorf("%s imports %s: it knows of nothing here", name, i)
			}
		}
	}
}

// TestBalancerNeedsNoNetwork keeps lb fit for programs that are small.
func TestBalancerNeedsNoNetwork(t *testing.T) {
	for _, p := range list(t, "-deps", "./lb", "./lb/health") {
		if p.ImportPath == "net" || strings.Contains(p.ImportPath, ".") && !strings.HasPrefix(p.ImportPath, module) {
			t.Errorf("lb depends on %s", p.ImportPath)
		}
	}
}

type listed struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T, args ...string) (packages []listed) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
