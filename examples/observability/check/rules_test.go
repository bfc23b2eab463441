package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ruleFile is one as Prometheus reads it.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Record, Alert, Expr string
	For                 string
	Labels, Annotations map[string]string
}

const rulesDir = "../prometheus"

// rules are all of them, with those first that others stand on.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	for _, name := range []string{"recording.yml", "alerts.yml"} {
		var f ruleFile
		readYAML(t, filepath.Join(rulesDir, name), &f)
		for _, g := range f.Groups {
			all = append(all, g.Rules...)
		}
	}
	if len(all) < 20 {
		t.Fatalf("%d rules", len(all))
	}
	return all
}

// withRecorded adds what the recording rules make.
func (v vocabulary) withRecorded(t *testing.T) vocabulary {
	t.Helper()
	for _, r := range rules(t) {
		if r.Record == "" {
			continue
		}
		e, err := parse(r.Expr)
		if err != nil {
			t.Fatalf("%s: %v", r.Record, err)
		}
		has, err := v.result(e)
		if err != nil {
			t.Fatalf("%s: %v", r.Record, err)
		}
		v[r.Record] = has
	}
	return v
}

func TestRulesUseNamesThatThereAre(t *testing.T) {
	v := vocabularyOf(t, readRegistry(t)).withRecorded(t)
	for _, r := range rules(t) {
		name := r.Record + r.Alert
		e, err := parse(r.Expr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		has, err := v.result(e)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, text := range r.Annotations {
			for _, used := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
				if !has[used[1]] {
					t.Errorf("%s: an annotation has the label %s, and the alert has %s", name, used[1], has)
				}
			}
		}
		if level, ok := strings.CutPrefix(r.Record, "job_"); ok && !has["job"] {
			t.Errorf("%s: recorded without job", level)
		}
	}
}

// An alert says what is wrong and what to do.
func TestAlertsSayWhatToDo(t *testing.T) {
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"page", "ticket", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		if r.Annotations["summary"] == "" || len(r.Annotations["action"]) < 80 {
			t.Errorf("%s: %q", r.Alert, r.Annotations)
		}
	}
}

// promtool is Prometheus's own judge of rules.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed; on Debian: apt-get install prometheus")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = rulesDir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolTakesTheRules(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", "recording.yml", "alerts.yml")
}

func TestRulesDoAsTheirTestsSay(t *testing.T) { promtool(t, "test", "rules", "rules_test.yml") }

// Each alert is seen to fire, and not to.
func TestEachAlertHasTests(t *testing.T) {
	var f struct {
		Tests []struct {
			Alerts []struct {
				Name string      `yaml:"alertname"`
				Want []yamlAlert `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, filepath.Join(rulesDir, "rules_test.yml"), &f)
	fires, rests := make(map[string]bool), make(map[string]bool)
	for _, test := range f.Tests {
		for _, a := range test.Alerts {
			if len(a.Want) > 0 {
				fires[a.Name] = true
			} else {
				rests[a.Name] = true
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" && (!fires[r.Alert] || !rests[r.Alert]) {
			t.Errorf("%s: seen to fire %v, to rest %v", r.Alert, fires[r.Alert], rests[r.Alert])
		}
	}
}

type yamlAlert struct {
	Labels map[string]string `yaml:"exp_labels"`
}
