package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Every YAML file can be read, and says nothing twice.
func TestFilesAreYAML(t *testing.T) {
	n := 0
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); err != nil || ext != ".yaml" && ext != ".yml" {
			return err
		}
		n++
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		for d := yaml.NewDecoder(f); ; {
			var any map[string]any // in which a key that comes twice is an error
			switch err := d.Decode(&any); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				t.Errorf("%s: %v", path, err)
				return nil
			case len(any) == 0:
				t.Errorf("%s is empty", path)
			}
		}
	})
	if err != nil || n < 8 {
		t.Errorf("%d files, %v", n, err)
	}
}

// The agent is asked itself. It warns of listeners that others can reach, as
// they have to here.
func TestDemoIsValid(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), build(t), "validate", "../demo.hcl")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What one file says of another is so.
func TestComposeFitsTogether(t *testing.T) {
	var c struct {
		Services map[string]struct {
			Image   string
			Build   map[string]string
			Volumes []string
			Depends []string `yaml:"depends_on"`
			Ports   []string
		}
	}
	readYAML(t, "../compose.yaml", &c)
	inside := make(map[string]string) // files of this directory, by where they are inside
	for name, s := range c.Services {
		if (s.Image == "") == (s.Build == nil) {
			t.Errorf("%s has the image %q and the build %v", name, s.Image, s.Build)
		}
		if s.Image != "" && !strings.Contains(s.Image, ":") {
			t.Errorf("%s: say which version of %s", name, s.Image)
		}
		for _, v := range s.Volumes {
			parts := strings.Split(v, ":")
			if len(parts) != 3 || parts[2] != "ro" {
				t.Fatalf("%s: %s", name, v)
			}
			if _, err := os.Stat(filepath.Join("..", parts[0])); err != nil {
				t.Error(err)
			}
			inside[parts[1]] = parts[0]
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is open to the network: %s", name, port)
			}
		}
		for _, other := range s.Depends {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s waits for %s, which there is not", name, other)
			}
		}
	}
	// Hosts that the configurations name are services.
	agent, err := os.ReadFile("../demo.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(agent), "http://collector:4317") {
		t.Error("the agent sends nothing to the collector")
	}
	var p struct {
		ScrapeConfigs []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "../prometheus/prometheus.yml", &p)
	for _, s := range p.ScrapeConfigs {
		host, _, _ := strings.Cut(s.Static[0].Targets[0], ":")
		if _, ok := c.Services[host]; !ok {
			t.Errorf("Prometheus scrapes %s, which there is not", host)
		}
	}
	var g struct {
		Providers []struct{ Options struct{ Path string } }
	}
	readYAML(t, "../grafana/provisioning/dashboards/outrigger.yaml", &g)
	if file := inside[g.Providers[0].Options.Path+"/outrigger.json"]; file != "./grafana/outrigger.json" {
		t.Errorf("Grafana finds the dashboard in %q", file)
	}
	var d struct {
		Datasources []struct{ UID, URL string }
	}
	readYAML(t, "../grafana/provisioning/datasources/outrigger.yaml", &d)
	for _, s := range d.Datasources {
		host := strings.Split(strings.TrimPrefix(s.URL, "http://"), ":")[0]
		if _, ok := c.Services[host]; !ok || host != s.UID {
			t.Errorf("%s is at %s", s.UID, s.URL)
		}
	}
	if !slices.ContainsFunc(d.Datasources, func(s struct{ UID, URL string }) bool { return s.UID == "prometheus" }) {
		t.Error("there is no Prometheus")
	}
}
