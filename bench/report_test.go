package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/load"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
		text   string
	}{
		{nil, spread{}, "–"},
		{[]float64{7}, spread{7, 7, 7, 1}, "7.00"},
		{[]float64{3, 1, 2}, spread{2, 1, 3, 3}, "2.00 (1.00–3.00)"},
		{[]float64{4, 1, 3, 2}, spread{2.5, 1, 4, 4}, "2.50 (1.00–4.00)"},
	} {
		if got := spreadOf(test.values); got != test.want || got.text() != test.text {
			t.Errorf("%v: %+v, %q", test.values, got, got.text())
		}
	}
}

func TestRatios(t *testing.T) {
	ours := []sample{{cpu: 10}, {cpu: 30}, {cpu: 5}, {p50: 1}}
	theirs := []sample{{cpu: 20}, {cpu: 10}, {cpu: 0}, {cpu: 1}, {cpu: 1}}
	if got := ratios(ours, theirs, cpu); !slices.Equal(got, []float64{0.5, 3}) {
		t.Errorf("%v", got)
	}
	if got := ratios(nil, theirs, cpu); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.123: "0.12", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 1234.5: "1234",
		12345: "12,345", 123456.7: "123,457", 9999.6: "10,000", -3.14: "-3.1",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

func TestSampleOf(t *testing.T) {
	result := load.Result{
		Requests: 1000, Elapsed: 2 * time.Second, P50: 150 * time.Microsecond, P99: time.Millisecond,
		CPU: 30 * time.Millisecond, Peak: 3 * mib, Before: mib, After: 2 * mib,
	}
	http := row{plan: load.Plan{Kind: load.HTTP}}
	for m, want := range map[metric]float64{rate: 500, p50: 150, p99: 1000, cpu: 30, peak: 3} {
		if got := sampleOf(http, result)[m]; got != want {
			t.Errorf("%s is %v, want %v", m, got, want)
		}
	}
	idle := sampleOf(row{plan: load.Plan{Kind: load.Idle}}, result)
	if idle[growth] != 1.024 || idle[resident] != 2 {
		t.Errorf("idle: %v", idle)
	}
	// Without a process nothing costs, which is not the same as costing nothing.
	result.CPU, result.Peak, result.After = 0, 0, 0
	if s := sampleOf(http, result); len(s) != 3 {
		t.Errorf("direct: %v", s)
	}
	if s := sampleOf(http, load.Result{Elapsed: time.Second}); len(s) != 1 || s[rate] != 0 {
		t.Errorf("nothing done: %v", s)
	}
}

// example is a row with two builds of the agent, a peer and one that failed.
func example() outcome {
	of := func(name string, cpus ...float64) *measured {
		m := &measured{contender: contender{name: name}}
		for _, v := range cpus {
			m.samples = append(m.samples, sample{cpu: v, rate: 20000, p99: 900})
		}
		return m
	}
	failed := of("reverseproxy", 90)
	failed.err, failed.errors = errors.New("answered <503> & more"), 7
	return outcomeOf(row{name: "c64", about: "64 connections & more", metrics: []metric{cpu, rate, p99}},
		[]*measured{of("old", 20, 30, 40), of("new", 10, 10, 10), of("haproxy", 10, 20, 40), failed})
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := example().write(&out, []string{"old", "new"}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.SplitSeq(out.String(), "\n") {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"c64: 64 connections & more",
		"CPU µs/request requests/s p99 µs errors",
		"old 30.0 (20.0–40.0) 20,000 (20,000–20,000) 900 (900–900) 0",
		"new 10.0 (10.0–10.0) 20,000 (20,000–20,000) 900 (900–900) 0",
		"haproxy 20.0 (10.0–40.0) 20,000 (20,000–20,000) 900 (900–900) 0",
		"reverseproxy 90.0 20,000 900 ✗ 7",
		"CPU requests/s p99",
		"old / haproxy 1.50 (1.00–2.00) 1.00 (1.00–1.00) 1.00 (1.00–1.00)",
		"old / reverseproxy 0.22 1.00 1.00",
		"new / haproxy 0.50 (0.25–1.00) 1.00 (1.00–1.00) 1.00 (1.00–1.00)",
		"new / reverseproxy 0.11 1.00 1.00",
		"new / old 0.33 (0.25–0.50) 1.00 (1.00–1.00) 1.00 (1.00–1.00)",
		"✗ reverseproxy: answered <503> & more",
		"", "",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s", strings.Join(lines, "\n"))
	}
}

func TestChart(t *testing.T) {
	r := report{
		Command: "go run .", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Rounds: 3, Seconds: 3,
		Of:   []who{{"old", "a"}, {"new", "b"}, {"haproxy", "HAProxy 9.9, 2 threads"}},
		Rows: []outcome{example(), example(), example()},
	}
	svg := r.chart()
	file := filepath.Join(t.TempDir(), "c.svg")
	if err := os.WriteFile(file, svg, 0o600); err != nil {
		t.Fatal(err)
	}
	wellFormed(t, file)
	for _, want := range []string{"go run . · 2026-01-02", "HAProxy 9.9<", "64 connections &amp; more", "× 1.50", "failed: see the table"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("there is no %q", want)
		}
	}
	if got := bytes.Count(svg, []byte(`fill="`+dark+`"`)); got != 6 {
		t.Errorf("%d bars are ours, want two in each of three panels", got)
	}
	if !bytes.HasPrefix((report{}).chart(), []byte("<svg")) {
		t.Error("a report of nothing has no chart")
	}
}

func TestSelectRows(t *testing.T) {
	for list, want := range map[string]string{
		"":                   names(rows(0)),
		"c64":                "c64",
		"tcp":                "tcp",
		"tcp.*, c1":          "c1, tcp, tcp-1m, tcp-rate",
		"c\\d+":              "c1, c64, c256",
		"start,rest,no such": "rest, start",
	} {
		got, err := selectRows(rows(0), list)
		if err != nil || names(got) != want {
			t.Errorf("%q: %q, %v", list, names(got), err)
		}
	}
}

func TestParseAgent(t *testing.T) {
	for i, test := range []struct {
		value string
		want  agentFlag
	}{{"a/b", agentFlag{"outrigger", "a/b"}}, {"c", agentFlag{"outrigger-2", "c"}}, {"x=c", agentFlag{"x", "c"}}} {
		if got := parseAgent(test.value, i); got != test.want {
			t.Errorf("%q: %+v", test.value, got)
		}
	}
}

func TestParseNginx(t *testing.T) {
	for out, want := range map[string]nginxBuild{
		"nginx version: nginx/1.22.1\nconfigure arguments: --modules-path=/m --with-http_v2_module --with-stream=dynamic --with-x": {"nginx 1.22.1", true, true, "/m/ngx_stream_module.so"},
		"nginx version: nginx/1.27.0\nconfigure arguments: --with-stream --with-http_v2_module":                                    {"nginx 1.27.0", true, true, ""},
		"nginx version: nginx/1.27.0\nconfigure arguments: --with-stream_ssl_module":                                               {"nginx 1.27.0", false, false, ""},
		"": {"nginx", false, false, ""},
	} {
		if got := parseNginx(out); got != want {
			t.Errorf("%q: %+v", out, got)
		}
	}
}
