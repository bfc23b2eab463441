package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestDashboardFileIsWhatTheProgramWrites(t *testing.T) {
	got, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, outrigger().json()) {
		t.Errorf("%s is not what this program writes; run go generate here", dashboardFile)
	}
}

// chosen puts in for Grafana's variables what "All" does.
func chosen(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$upstream", ".*").Replace(expr)
}

func TestDashboardUsesNamesThatThereAre(t *testing.T) {
	v := vocabularyOf(t, readRegistry(t))
	for _, p := range outrigger().Panels {
		for _, q := range p.Targets {
			e, err := parse(chosen(q.Expr))
			if err != nil {
				t.Errorf("%s: %v", p.Title, err)
				continue
			}
			has, err := v.result(e)
			if err != nil {
				t.Errorf("%s: %v", p.Title, err)
				continue
			}
			for _, used := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				if !has[used[1]] {
					t.Errorf("%s: the legend has %s, and the result has %s", p.Title, used[1], has)
				}
			}
		}
	}
	for _, c := range outrigger().Templating.List[1:] {
		asked := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(c.Query)
		if asked == nil {
			t.Fatalf("%s: %s", c.Name, c.Query)
		}
		e, err := parse(chosen(asked[1]))
		if err != nil {
			t.Fatal(err)
		}
		if has, err := v.result(e); err != nil || !has[asked[2]] {
			t.Errorf("%s: %s, %v", c.Name, has, err)
		}
	}
}

// Panels keep their IDs and lie side by side.
func TestPanelsHaveIDsAndPlacesOfTheirOwn(t *testing.T) {
	ids, places := make(map[int]string), make(map[gridPos]string)
	for _, p := range outrigger().Panels {
		for _, other := range []string{ids[p.ID], places[p.GridPos]} {
			if other != "" {
				t.Errorf("%s stands in the place of %s", p.Title, other)
			}
		}
		ids[p.ID], places[p.GridPos] = p.Title, p.Title
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s: %+v", p.Title, p.GridPos)
		}
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("%s tells nothing", p.Title)
		}
	}
}
