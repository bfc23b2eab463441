package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// names are those that telemetry has anywhere: of metrics, events and
// attributes, with dots.
func (r registry) names() map[string]bool {
	all := make(map[string]bool)
	for _, g := range r.Groups {
		all[g.Metric], all[g.Event] = true, true
		for _, a := range g.Attributes {
			all[a.ID], all[a.Ref] = true, true
		}
	}
	return all
}

// Our names on the pages are those that there are.
func TestPagesUseNamesThatThereAre(t *testing.T) {
	r := readRegistry(t)
	series, names := vocabularyOf(t, r), r.names()
	labels := make(labelSet)
	for _, has := range series {
		for name := range has {
			labels[name] = true
		}
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	dotted := regexp.MustCompile(`^(http|outrigger|error)\.[a-z_.]+$`)
	ours := regexp.MustCompile(`^(http_(server|client)|outrigger|go|target)_[a-z_]+`)
	for _, path := range []string{"../coming-from.md", "../README.md"} {
		found := 0
		for _, line := range strings.Split(read(t, path), "\n") {
			for _, q := range quoted.FindAllStringSubmatch(line, -1) {
				text := q[1]
				switch {
				case strings.HasSuffix(text, "…"):
				case dotted.MatchString(text):
					found++
					if !names[text] {
						t.Errorf("%s: there is no %s", path, text)
					}
				case ours.MatchString(text):
					found++
					if strings.HasSuffix(text, "_seconds") && series[text+"_bucket"] != nil { // a histogram as such
						continue
					}
					if e, err := parse(text); err != nil {
						t.Errorf("%s: %s: %v", path, text, err)
					} else if _, err := series.result(e); err != nil && !labels[text] {
						t.Errorf("%s: %v", path, err)
					}
				}
			}
		}
		if found == 0 {
			t.Errorf("%s has no names", path)
		}
	}
	for _, block := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(read(t, "../README.md"), -1) {
		e, err := parse(block[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := series.result(e); err != nil {
			t.Error(err)
		}
	}
}

// failures are those that the proxy tells apart, as its code has them.
func failures(t *testing.T) map[string]bool {
	t.Helper()
	code := read(t, repository+"/agent/proxy/failure.go")
	kinds := make(map[string]bool)
	for _, k := range regexp.MustCompile(`(?m)^\t\w+ +Kind = "(\w+)"`).FindAllStringSubmatch(code, -1) {
		kinds[k[1]] = true
	}
	if len(kinds) < 10 {
		t.Fatalf("kinds of failures: %v", kinds)
	}
	return kinds
}

// A panel that selects failures names those that there are.
func TestFailuresOnTheDashboardAreThoseOfTheProxy(t *testing.T) {
	kinds, found := failures(t), 0
	for _, named := range regexp.MustCompile(`error_type=~?\\"([^"\\]+)\\"`).FindAllStringSubmatch(string(outrigger().json()), -1) {
		for _, kind := range strings.Split(named[1], "|") {
			if found++; !kinds[kind] {
				t.Errorf("no request fails by %s", kind)
			}
		}
	}
	if found == 0 {
		t.Error("no panel tells failures apart")
	}
}

// Every failure that the proxy tells apart has a row.
func TestFailuresOnThePageAreThoseOfTheProxy(t *testing.T) {
	kinds := failures(t)
	page := read(t, "../coming-from.md")
	_, table, ok := strings.Cut(page, "|`error_type`|Envoy's flag|\n|-|-|\n")
	if !ok {
		t.Fatal("there is no table of failures")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	told := make(map[string]bool)
	for _, row := range strings.Split(table, "\n") {
		for _, q := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			told[q[1]] = true
			if !kinds[q[1]] {
				t.Errorf("no request fails by %s", q[1])
			}
		}
	}
	for kind := range kinds {
		if !told[kind] && kind != "internal" { // which nobody else tells apart
			t.Errorf("%s is not on the page", kind)
		}
	}
}

// Files that a page leads to are there.
func TestPagesLeadSomewhere(t *testing.T) {
	for _, path := range []string{"../coming-from.md", "../README.md"} {
		for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(read(t, path), -1) {
			if _, err := os.Stat("../" + link[1]); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}
