package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// report is all that was measured, as -json writes it.
type report struct {
	Command string    `json:"command"`
	Date    time.Time `json:"date"`
	Machine string    `json:"machine"`
	Rounds  int       `json:"rounds"`
	Seconds float64   `json:"seconds"` // of each round and contender
	Of      []who     `json:"contenders"`
	Rows    []outcome `json:"rows"`
}

// who is a contender.
type who struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// outcome is a row of the report.
type outcome struct {
	Name    string   `json:"name"`
	About   string   `json:"about"`
	Metrics []metric `json:"metrics"`
	Results []result `json:"results"`
}

// result is what one contender came to in a row.
type result struct {
	Name    string                       `json:"name"`
	Metrics map[metric]spread            `json:"metrics"`
	Ratios  map[string]map[metric]spread `json:"ratios"` // to whom, of the rounds one by one
	Samples []sample                     `json:"samples"`
	Errors  int                          `json:"errors"`
	Error   string                       `json:"error,omitempty"`
}

// outcomeOf adds up a row.
func outcomeOf(w row, all []*measured) outcome {
	o := outcome{Name: w.name, About: w.about, Metrics: w.metrics}
	for _, m := range all {
		r := result{
			Name: m.contender.name, Samples: m.samples, Errors: m.errors,
			Metrics: make(map[metric]spread), Ratios: make(map[string]map[metric]spread),
		}
		if m.err != nil {
			r.Error = m.err.Error()
		}
		for _, of := range w.metrics {
			if v := values(m.samples, of); len(v) > 0 {
				r.Metrics[of] = spreadOf(v)
			}
			for _, other := range all {
				v := ratios(m.samples, other.samples, of)
				if other == m || len(v) == 0 {
					continue
				}
				if r.Ratios[other.contender.name] == nil {
					r.Ratios[other.contender.name] = make(map[metric]spread)
				}
				r.Ratios[other.contender.name][of] = spreadOf(v)
			}
		}
		o.Results = append(o.Results, r)
	}
	return o
}

func (o outcome) of(name string) (result, bool) {
	i := slices.IndexFunc(o.Results, func(r result) bool { return r.Name == name })
	if i < 0 {
		return result{}, false
	}
	return o.Results[i], true
}

// preamble says what the tables show.
func (r report) preamble(w io.Writer) {
	fmt.Fprintf(w, "%s\n%s, %s\n\n", r.Command, r.Date.Format("2006-01-02 15:04 MST"), r.Machine)
	for _, c := range r.Of {
		fmt.Fprintf(w, "  %-*s  %s\n", 16, c.Name, c.About)
	}
	fmt.Fprintf(w, "\nMedians (least–most) of %d rounds of %gs, in turn. Ratios are medians of those within a round.\n"+
		"The generator, the proxy and the backends share the processors: requests/s are of all together,\n"+
		"CPU and memory of the proxy alone. A row with errors is marked by ✗ and means nothing.\n\n", r.Rounds, r.Seconds)
}

// references are those of a row whom others are compared with: the peers, and
// the first build of the agent where there are several.
func (o outcome) references(agents []string) (names []string) {
	compared := peers()
	if len(agents) > 1 {
		compared = append(compared, agents[0])
	}
	for _, name := range compared {
		if _, ok := o.of(name); ok && name != directName {
			names = append(names, name)
		}
	}
	return names
}

// write prints a row.
func (o outcome) write(w io.Writer, agents []string) error {
	fmt.Fprintf(w, "%s: %s\n", o.Name, o.About)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\t")
	for _, m := range o.Metrics {
		fmt.Fprintf(table, "%s\t", m)
	}
	fmt.Fprintln(table, "errors\t")
	for _, r := range o.Results {
		fmt.Fprintf(table, "%s\t", r.Name)
		for _, m := range o.Metrics {
			fmt.Fprintf(table, "%s\t", r.Metrics[m].text())
		}
		fmt.Fprintf(table, "%s\t\n", r.marked())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if err := o.writeRatios(w, agents); err != nil {
		return err
	}
	for _, r := range o.Results {
		if r.Error != "" {
			fmt.Fprintf(w, "  ✗ %s: %s\n", r.Name, r.Error)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func (r result) marked() string {
	if r.Error != "" {
		return fmt.Sprintf("✗ %d", r.Errors)
	}
	return "0"
}

// writeRatios prints ours to theirs, a line for each build and each of them.
func (o outcome) writeRatios(w io.Writer, agents []string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\t")
	for _, m := range o.Metrics {
		fmt.Fprintf(table, "%s\t", m.short())
	}
	fmt.Fprintln(table)
	compared := false
	for _, agent := range agents {
		r, ok := o.of(agent)
		if !ok {
			continue
		}
		for _, reference := range o.references(agents) {
			if len(r.Ratios[reference]) == 0 {
				continue
			}
			compared = true
			fmt.Fprintf(table, "%s / %s\t", agent, reference)
			for _, m := range o.Metrics {
				fmt.Fprintf(table, "%s\t", r.Ratios[reference][m].text())
			}
			fmt.Fprintln(table)
		}
	}
	if !compared {
		return nil
	}
	return table.Flush()
}

// save writes the files that were asked for.
func (r report) save(o options) error {
	if o.json != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := write(o.json, append(text, '\n')); err != nil {
			return err
		}
	}
	if o.svg != "" {
		return write(o.svg, r.chart())
	}
	return nil
}

// write makes a file that everybody may read, as it is made to be shown.
func write(path string, text []byte) error {
	return os.WriteFile(path, text, 0o644) //nolint:gosec // G306: see above
}
