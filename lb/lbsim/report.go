package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// report is what all strategies made of a scenario.
type report struct {
	scenario scenario
	model    model
	results  []result
}

// tableServers is up to how many servers each has a column of its own.
const tableServers = 20

func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %s\n%s\n\n", r.scenario.name, r.scenario.about, r.model)
	head := []string{"STRATEGY", "SERVED/S", "MEAN", "P50", "P99", "P99.9", "FAILED", "IN", "UTIL MAX/MEAN", "PICKS MAX/DUE"}
	if s, ok := r.results[0].special(); ok {
		head = append(head, strings.ToUpper(s.id)+" PICKS", "DUE")
	}
	rows := [][]string{head}
	for _, x := range r.results {
		row := []string{
			x.strategy, fmt.Sprintf("%.1f", x.throughput),
			brief(x.took.mean), brief(x.took.p50), brief(x.took.p99), brief(x.took.p999),
			percent(x.failedPart()), brief(x.failedTook.mean),
			fmt.Sprintf("%.2f", x.spread()), fmt.Sprintf("%.2f", x.overDue()),
		}
		if s, ok := x.special(); ok {
			row = append(row, percent(s.picked), percent(s.due))
		}
		rows = append(rows, row)
	}
	printTable(w, rows)
	if r.model.servers <= tableServers {
		fmt.Fprintf(w, "\nutilisation, %%\n")
		printTable(w, r.utilisations())
	}
	fmt.Fprintln(w)
}

// utilisations are the rows of a table of all servers.
func (r report) utilisations() [][]string {
	rows := [][]string{{"STRATEGY"}}
	for _, s := range r.results[0].servers {
		rows[0] = append(rows[0], strings.ToUpper(s.id))
	}
	for _, x := range r.results {
		row := []string{x.strategy}
		for _, s := range x.servers {
			row = append(row, fmt.Sprintf("%.0f", 100*s.utilisation))
		}
		rows = append(rows, row)
	}
	return rows
}

// String is the model in a line.
func (m model) String() string {
	process := "Poisson"
	if m.arrival == bursts {
		process = "bursts"
	}
	return fmt.Sprintf("%s; %s service of %v, %s of %.0f requests/s; %d requests, %d of them warm-up; seed %d",
		m.brief(), m.distribution.name, m.service, process, m.rate(), m.requests, m.warmup, m.seed)
}

// brief is the least to know of the model.
func (m model) brief() string {
	return fmt.Sprintf("%s, %s, %.0f%% utilisation", count(m.agents, "agent"), count(m.servers, "server"), 100*m.utilisation)
}

// count is so many things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// printTable aligns the first column left and the others right.
func printTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range rows {
		fmt.Fprintf(w, "%-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(w, "  %*s", widths[i+1], cell)
		}
		fmt.Fprintln(w)
	}
}

// brief is a time to three figures, - for none.
func brief(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d == 0:
		return "-"
	case ms < 9.995:
		return fmt.Sprintf("%.2fms", ms)
	case ms < 99.95:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 999.5:
		return fmt.Sprintf("%.0fms", ms)
	case ms < 9995:
		return fmt.Sprintf("%.2fs", ms/1000)
	case ms < 99950:
		return fmt.Sprintf("%.1fs", ms/1000)
	}
	return fmt.Sprintf("%.0fs", ms/1000)
}

// percent is a part of one, 0% only where it is nothing.
func percent(part float64) string {
	if part > 0 && part < 0.0005 {
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", 100*part)
}

func (r result) failedPart() float64 { return float64(r.failed) / float64(r.requests) }

// printJSON prints reports for machines: times in milliseconds, parts from 0 to 1.
func printJSON(w io.Writer, reports []report) error {
	out := make([]any, len(reports))
	for i, r := range reports {
		out[i] = r.plain()
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// object is one of JSON's, whose keys are printed in the order of the alphabet.
type object map[string]any

func (r report) plain() object {
	m := r.model
	results := make([]object, len(r.results))
	for i, x := range r.results {
		results[i] = x.plain()
	}
	return object{
		"scenario": r.scenario.name, "about": r.scenario.about, "seed": m.seed,
		"requests": m.requests, "warmup": m.warmup, "agents": m.agents, "workers": m.workers,
		"utilisation": m.utilisation, "rate_per_s": m.rate(), "service_ms": milliseconds(m.service),
		"distribution": m.distribution.name, "slow_start_ms": milliseconds(m.slowStart), "ejection": m.ejection,
		"results": results,
	}
}

func (r result) plain() object {
	servers := make([]object, len(r.servers))
	for i, s := range r.servers {
		servers[i] = object{"id": s.id, "utilisation": s.utilisation, "picks": s.picked, "due": s.due}
		if s.special != "" {
			servers[i]["special"] = s.special
		}
	}
	return object{
		"strategy": r.strategy, "requests": r.requests, "served_per_s": r.throughput,
		"response": r.took.plain(), "failures": r.failed, "refused": r.refused, "failure": r.failedTook.plain(),
		"utilisation_max_over_mean": r.spread(), "picks_max_over_due": r.overDue(), "servers": servers,
	}
}

func (q quantiles) plain() object {
	return object{"mean_ms": milliseconds(q.mean), "p50_ms": milliseconds(q.p50), "p99_ms": milliseconds(q.p99), "p999_ms": milliseconds(q.p999)}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
