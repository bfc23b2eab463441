package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBadFlags(t *testing.T) {
	for _, one := range []struct {
		args []string
		want string
	}{
		{[]string{"-utilisation", "1.5"}, `invalid value "1.5" for flag -utilisation: give a number above 0 and below 1`},
		{[]string{"-utilisation", "NaN"}, "above 0 and below 1"},
		{[]string{"-requests", "0"}, `invalid value "0" for flag -requests: give a whole number from 1`},
		{[]string{"-seed", "-1"}, "give a whole number, 0 or more"},
		{[]string{"-scenario", "calm"}, `there is no scenario "calm"; there are all, list, one_slow,`},
		{[]string{"-strategy", "jsq,fastest"}, `there is no strategy "fastest"; there are all, jsq,`},
		{[]string{"-distribution", "normal"}, `there is no distribution "normal"; there are exponential,`},
		{[]string{"-service", "10"}, "give a duration from 1µs to 1h, such as 10ms"},
		{[]string{"-ejection=maybe"}, "give true or false"},
		{[]string{"-colour"}, "flag provided but not defined: -colour"},
		{[]string{"-requests", "100", "-warmup", "100"}, "leaves none of the 100 requests to measure"},
		{[]string{"-scenario", "one_failing", "-servers", "1"}, "none of 1 servers serves from the start"},
		{[]string{"one_slow"}, `what is "one_slow"?`},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(one.args, &stdout, &stderr); status != 2 {
			t.Errorf("%v: status %d", one.args, status)
		}
		if !strings.Contains(stderr.String(), one.want) || !strings.Contains(stderr.String(), "lbsim -h") {
			t.Errorf("%v: %q does not say %q", one.args, stderr.String(), one.want)
		}
		if stdout.Len() > 0 {
			t.Errorf("%v: prints %q", one.args, stdout.String())
		}
	}
}

func TestChartThatCannotBeWritten(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"-requests", "100", "-strategy", "jsq", "-svg", filepath.Join(t.TempDir(), "none", "chart.svg")}
	if status := run(args, &stdout, &stderr); status != 1 || !strings.Contains(stderr.String(), "the chart: open ") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
}

// TestHelp: every flag, scenario and strategy is explained.
func TestHelp(t *testing.T) {
	var help, list, stderr bytes.Buffer
	if status := run([]string{"-h"}, &help, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	run([]string{"-scenario", "list"}, &list, &stderr)
	for _, s := range scenarios() {
		if line := s.name + " "; !strings.Contains(help.String(), line) || !strings.Contains(list.String(), line) || !strings.Contains(list.String(), s.about) {
			t.Errorf("scenario %s is not explained", s.name)
		}
	}
	var o options
	flags(&o).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(help.String(), "  -"+f.Name+" ") || !strings.Contains(help.String(), "(default ") {
			t.Errorf("flag -%s is not explained, or its default", f.Name)
		}
	})
}

func TestStrategiesWanted(t *testing.T) {
	o, err := parse([]string{"-strategy", "jsq,random,jsq", "-scenario", "fleet,equal"})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(o.strategies, " "); got != "jsq random round_robin" {
		t.Errorf("strategies: %s", got)
	}
	if len(o.scenarios) != 2 || o.scenarios[0].name != "fleet" {
		t.Errorf("scenarios: %v", o.scenarios)
	}
}

func TestFlagsChangeTheModel(t *testing.T) {
	o, err := parse([]string{"-seed", "7", "-requests", "1000", "-agents", "3", "-servers", "5", "-workers", "2", "-utilisation", "0.3",
		"-service", "1ms", "-distribution", "constant", "-slow-start", "4s", "-limit", "9", "-ejection"})
	if err != nil {
		t.Fatal(err)
	}
	m := o.model(o.scenarios[0])
	if m.seed != 7 || m.requests != 1000 || m.warmup != 100 || m.agents != 3 || m.servers != 5 || m.workers != 2 || m.utilisation != 0.3 ||
		m.service != time.Millisecond || m.distribution.name != "constant" || m.slowStart != 4*time.Second || m.limit != 9 || !m.ejection {
		t.Errorf("%+v", m)
	}
}

func TestJSON(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-json", "-requests", "2000", "-scenario", "one_failing,fleet", "-strategy", "jsq"}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	var got []struct {
		Scenario string
		Results  []struct {
			Strategy string
			Requests int
			Response struct {
				P99 float64 `json:"p99_ms"`
			}
			Servers []struct{ Special string }
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[1].Scenario != "fleet" || len(got[0].Results) != 2 {
		t.Fatalf("%+v", got)
	}
	if r := got[0].Results[0]; r.Strategy != jsq || r.Requests != 1800 || r.Response.P99 < 10 || len(r.Servers) != 10 || r.Servers[0].Special != "failing" {
		t.Errorf("%+v", r)
	}
}

func TestChart(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "chart.svg")
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-svg", svg, "-requests", "1000", "-warmup", "0", "-scenario", "all"}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	drawn, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	text := textOf(t, drawn)
	for _, want := range append(strategies(), scenarioNames()...) {
		if !strings.Contains(text, want) {
			t.Errorf("the chart does not show %s", want)
		}
	}
}

// TestChartOfTheWorst: names that are markup, nothing served, and times of any
// length.
func TestChartOfTheWorst(t *testing.T) {
	r := report{scenario: scenario{name: `<b> & "c"`, about: "]]>"}, model: plain()}
	if text := textOf(t, chart([]report{r})); !strings.Contains(text, r.scenario.name) || !strings.Contains(text, r.scenario.about) {
		t.Errorf("text is lost: %s", text)
	}
	r.results = []result{{strategy: jsq}, {strategy: "<none>", requests: 1, failed: 1}}
	textOf(t, chart([]report{r}))
	r.results = append(r.results, result{strategy: "long", requests: 1, took: quantiles{1, 1, never / 2, never / 2}})
	textOf(t, chart([]report{r, r, r}))
}

// textOf reads a well-formed document's text.
func textOf(t *testing.T, document []byte) string {
	t.Helper()
	var text strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		} else if err != nil {
			t.Fatalf("the chart is not XML: %v", err)
		}
		if c, ok := token.(xml.CharData); ok {
			text.Write(c)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "-", 123456: "0.12ms", 9994 * time.Microsecond: "9.99ms", 9996 * time.Microsecond: "10.0ms",
		99940 * time.Microsecond: "99.9ms", 99960 * time.Microsecond: "100ms", 999600 * time.Microsecond: "1.00s",
		12345 * time.Millisecond: "12.3s", 2345 * time.Second: "2345s",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
