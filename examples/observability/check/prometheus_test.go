package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// A real Prometheus scrapes a real agent, and is asked all that the dashboard
// and the rules ask.
func TestPrometheusAnswers(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed; on Debian: apt-get install prometheus")
	}
	r := startAgent(t)
	apps, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.use(apps) }()
	t.Cleanup(func() { stop(); <-done })
	server := startPrometheus(t, program, r.admin)

	eventually(t, func() error { return server.has(t, "rate(http_server_request_duration_seconds_count[1m]) > 0") })
	ask(t, http.MethodPut, "http://"+r.catalog+"/v1/dev/fault?kind=no-leader")
	t.Run("dashboard", func(t *testing.T) {
		for _, p := range outrigger().Panels {
			for _, q := range p.Targets {
				eventually(t, func() error {
					if err := server.has(t, chosen(q.Expr)); err != nil {
						return fmt.Errorf("%s: %w", p.Title, err)
					}
					return nil
				})
			}
		}
	})
	// An alert has no result where all is well. What it selects is there
	// anyhow, so that none waits for what will never be.
	t.Run("rules", func(t *testing.T) {
		for _, rule := range rules(t) {
			e, err := parse(rule.Expr)
			if err != nil {
				t.Fatal(err)
			}
			parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
				selector, ok := n.(*parser.VectorSelector)
				if !ok || strings.Contains(rule.Expr, `"_other"`) && selector.Name == "outrigger_backend_weight" {
					return nil // nobody has that many backends here
				}
				eventually(t, func() error {
					if err := server.has(t, selector.String()); err != nil {
						return fmt.Errorf("%s%s: %w", rule.Record, rule.Alert, err)
					}
					return nil
				})
				return nil
			})
		}
	})
	// Labels to group by that are never there are no mistake to Prometheus.
	t.Run("labels", func(t *testing.T) {
		v := emitted(t, r.admin)
		v["up"] = setOf(scraped...)
		v = v.withRecorded(t)
		for _, p := range outrigger().Panels {
			for _, q := range p.Targets {
				if e, err := parse(chosen(q.Expr)); err != nil {
					t.Error(err)
				} else if _, err := v.result(e); err != nil {
					t.Errorf("%s: the agent emits otherwise: %v", p.Title, err)
				}
			}
		}
		for _, rule := range rules(t) {
			if e, err := parse(rule.Expr); err != nil {
				t.Error(err)
			} else if _, err := v.result(e); err != nil {
				t.Errorf("%s%s: the agent emits otherwise: %v", rule.Record, rule.Alert, err)
			}
		}
	})
	t.Run("rules in force", func(t *testing.T) {
		n := 0
		for _, rule := range server.rules(t) {
			n++
			if rule.Health != "ok" {
				t.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
			}
		}
		if want := len(rules(t)); n != want {
			t.Errorf("%d rules in force, %d written", n, want)
		}
	})
	// Nobody of lost is up, and shop has more statuses than there is room for.
	t.Run("alerts", func(t *testing.T) {
		for _, name := range []string{"OutriggerNoHealthyBackend", "OutriggerSeriesOverflow", "OutriggerQueueRefuses", "OutriggerErrorBudgetBurnsFast"} {
			eventually(t, func() error { return server.has(t, `ALERTS{alertname="`+name+`"}`) })
		}
	})
}

// server is a Prometheus.
type server struct{ url string }

// startPrometheus starts one that goes by the example's configuration, but
// scrapes this agent, and does all in a second.
func startPrometheus(t *testing.T, program, target string) server {
	t.Helper()
	var c struct {
		Global        map[string]any   `yaml:"global"`
		RuleFiles     []string         `yaml:"rule_files"`
		ScrapeConfigs []map[string]any `yaml:"scrape_configs"`
	}
	readYAML(t, filepath.Join(rulesDir, "prometheus.yml"), &c)
	for name := range c.Global {
		c.Global[name] = "1s"
	}
	for i, name := range c.RuleFiles {
		path, err := filepath.Abs(filepath.Join(rulesDir, filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		c.RuleFiles[i] = path
	}
	var kept []map[string]any
	for _, scrape := range c.ScrapeConfigs {
		if scrape["job_name"] == "outrigger" {
			scrape["static_configs"] = []any{map[string]any{"targets": []string{target}}}
			kept = append(kept, scrape)
		}
	}
	if c.ScrapeConfigs = kept; len(kept) != 1 {
		t.Fatalf("%d scrapes of agents in prometheus.yml", len(kept))
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	start(t, exec.Command(program, "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--enable-feature=exemplar-storage"))
	s := server{"http://" + address}
	eventually(t, func() error {
		resp, err := http.Get(s.url + "/-/ready")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", resp.Status)
		}
		return nil
	})
	return s
}

// freeAddress is one that nobody listens on, for a program that cannot tell
// which it took. It is not of those that systems give out for port 0 and to
// callers, so that nobody gets it by chance before the program does.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// has asks for an expression, which must have a result. A mistake in it ends
// the test.
func (s server) has(t *testing.T, expr string) error {
	t.Helper()
	var answer struct {
		Warnings []string
		Data     struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal(ask(t, http.MethodGet, s.url+"/api/v1/query?query="+url.QueryEscape(expr)), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Warnings) > 0 {
		t.Fatalf("%s: %s", expr, answer.Warnings)
	}
	if len(answer.Data.Result) == 0 {
		return fmt.Errorf("nothing answers %s", expr)
	}
	return nil
}

type ruleInForce struct{ Name, Health, LastError string }

// rules are those in force, once each was evaluated.
func (s server) rules(t *testing.T) (all []ruleInForce) {
	t.Helper()
	eventually(t, func() error {
		var answer struct {
			Data struct {
				Groups []struct{ Rules []ruleInForce }
			}
		}
		if err := json.Unmarshal(ask(t, http.MethodGet, s.url+"/api/v1/rules"), &answer); err != nil {
			t.Fatal(err)
		}
		all = nil
		for _, g := range answer.Data.Groups {
			all = append(all, g.Rules...)
		}
		for _, r := range all {
			if r.Health == "unknown" {
				return fmt.Errorf("%s was never evaluated", r.Name)
			}
		}
		return nil
	})
	return all
}
