package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"
	"go.yaml.in/yaml/v3"
)

const registryFile = "../../../telemetry/registry.yaml"

// registry is telemetry's own list of names, in the parts that matter here.
type registry struct {
	Groups []struct {
		Type       string
		Metric     string `yaml:"metric_name"`
		Instrument string
		Unit       string
		Event      string `yaml:"name"`
		Attributes []struct{ ID, Ref string }
	}
}

func readRegistry(t *testing.T) registry {
	t.Helper()
	var r registry
	readYAML(t, registryFile, &r)
	return r
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// labelSet is the labels that a series may have.
type labelSet map[string]bool

// vocabulary is every series that there can be, by name.
type vocabulary map[string]labelSet

// scraped is what Prometheus adds to each series.
var scraped = []string{"job", "instance"}

// vocabularyOf translates the registry as the agent's exporter does.
func vocabularyOf(t *testing.T, r registry) vocabulary {
	t.Helper()
	v := vocabulary{"up": setOf(scraped...)}
	metric := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	label := otlptranslator.LabelNamer{}
	for _, g := range r.Groups {
		keys := setOf(scraped...)
		for _, a := range g.Attributes {
			name, err := label.Build(a.ID + a.Ref)
			if err != nil {
				t.Fatal(err)
			}
			keys[name] = true
		}
		switch g.Type {
		case "entity":
			v["target_info"] = keys
		case "metric":
			kind := map[string]otlptranslator.MetricType{
				"counter": otlptranslator.MetricTypeMonotonicCounter, "updowncounter": otlptranslator.MetricTypeNonMonotonicCounter,
				"gauge": otlptranslator.MetricTypeGauge, "histogram": otlptranslator.MetricTypeHistogram,
			}[g.Instrument]
			name, err := metric.Build(otlptranslator.Metric{Name: g.Metric, Unit: g.Unit, Type: kind})
			if err != nil {
				t.Fatal(err)
			}
			if g.Instrument != "histogram" {
				v[name] = keys
				continue
			}
			v[name+"_count"], v[name+"_sum"] = keys, keys
			v[name+"_bucket"] = maps.Clone(keys)
			v[name+"_bucket"]["le"] = true
		}
	}
	return v
}

func setOf(names ...string) labelSet {
	set := make(labelSet)
	for _, n := range names {
		set[n] = true
	}
	return set
}

func (l labelSet) String() string { return strings.Join(slices.Sorted(maps.Keys(l)), ", ") }
