// Package examples holds the examples that are no programs against the code.
package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/config"
)

func TestConfigurationsAreValid(t *testing.T) {
	paths, err := filepath.Glob("*/agent.hcl")
	if err != nil || len(paths) < 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		if _, problems := config.Load(path); problems != nil {
			t.Errorf("%s: %v", path, problems)
		}
	}
}

// The Nomad job writes the agent's configuration from a template.
func TestNomadTemplateIsValid(t *testing.T) {
	job, err := os.ReadFile("nomad/shop.nomad.hcl")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(job), "<<-EOH\n")
	text, _, ok2 := strings.Cut(rest, "\n        EOH")
	if !ok || !ok2 {
		t.Fatal("there is no template")
	}
	text = regexp.MustCompile(`\{\{[^}]*\}\}`).ReplaceAllString(text, "10.0.0.1")
	c, problems := config.Parse("agent.hcl", []byte(text))
	if problems != nil || c.Consul.Address != "10.0.0.1:8500" {
		t.Errorf("%q: %v", c.Consul.Address, problems)
	}
}
