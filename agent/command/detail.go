package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent"
)

// goneRule is the rule of a backend that the catalog has no more; there is
// nothing to be done about it.
const goneRule = 2

// remedies prints a line for each backend that is not up: what would bring it
// back.
func remedies(w io.Writer, backends []agent.Backend) {
	for i, n := 0, 0; i < len(backends); i++ {
		b := backends[i]
		if b.State == "up" || b.Rule == goneRule || len(b.WouldChange) == 0 {
			continue
		}
		if n++; n == 1 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s would be %s\n", printable(b.ID), printable(either(b.WouldChange)))
	}
}

// either makes one sentence of changes each of which is enough, such as "up
// when a" and "up when b".
func either(changes []string) string {
	all := changes[0]
	state, _, _ := strings.Cut(all, " ")
	for _, c := range changes[1:] {
		all += ", or " + strings.TrimPrefix(c, state+" ")
	}
	return all
}

// details prints a paragraph for each backend.
func details(w io.Writer, backends []agent.Backend, coloured bool) {
	for _, b := range backends {
		fmt.Fprintf(w, "\n%s is %s: %s\n", printable(b.ID), b.State, printable(b.Reason))
		if b.Catalog.Output != "" {
			fmt.Fprintf(w, "  catalog, check %q: %s\n", printable(b.Catalog.Check), printable(b.Catalog.Output))
		}
		if !b.Catalog.Against.IsZero() {
			fmt.Fprintf(w, "  the catalog speaks against it for %s\n", ago(b.Catalog.Against).text)
		}
		if b.Ejections > 0 {
			fmt.Fprintf(w, "  ejected %s", times(b.Ejections))
			if b.EjectionLeft > 0 {
				fmt.Fprintf(w, ", now for another %s", seconds(b.EjectionLeft).text)
			}
			fmt.Fprintln(w)
		}
		if d := b.Damping; d != nil {
			fmt.Fprintf(w, "  penalty for flapping %.1f", d.Penalty)
			if d.Times > 0 {
				fmt.Fprintf(w, ", kept out for it %s", times(d.Times))
			}
			if !d.Until.IsZero() {
				fmt.Fprintf(w, ", now for another %s", brief(time.Until(d.Until).Round(time.Second)))
			}
			fmt.Fprintln(w)
		}
		for _, change := range b.WouldChange {
			fmt.Fprintf(w, "  would be %s\n", printable(change))
		}
		probes(w, b.Probe, coloured)
	}
}

// probes prints the last ones, the newest first.
func probes(w io.Writer, p agent.BackendProbe, coloured bool) {
	if p.Skipped > 0 {
		fmt.Fprintf(w, "  not probed %s, since requests were answered well\n", times(p.Skipped))
	}
	var t table
	for i := len(p.History) - 1; i >= 0; i-- {
		r := p.History[i]
		word := cell{text: "bad", colour: red}
		if r.Good {
			word = cell{text: "good", colour: green}
		}
		t.add(text("  probe"), ago(r.At), text("ago"), word, seconds(r.Took), text(printable(r.Output)))
	}
	t.write(w, coloured)
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
