package command

import (
	"fmt"
	"io"

	"github.com/outrigger-sidecar/outrigger/agent"
)

// showTelemetry prints what telemetry goes by, and what was lost of it.
func showTelemetry(w io.Writer, s agent.TelemetryStatus, coloured bool) {
	var settings table
	settings.header("SETTING", "VALUE", "FROM")
	for _, set := range s.Settings {
		from := cell{text: set.Origin}
		switch {
		case set.Variable != "":
			from = cell{text: set.Variable, colour: yellow}
		case set.Origin == "default":
			from.colour = dim
		}
		value := printable(set.Value)
		if value == "" {
			value = "-"
		}
		settings.add(text(set.Name), text(value), from)
	}
	settings.write(w, coloured)

	var lost table
	lost.header("", "OFFERED", "WAITING", "EXPORTED", "DROPPED", "FAILED")
	add := func(what string, f agent.TelemetryFates) {
		if f.Offered > 0 {
			lost.add(text(what), number("%d", f.Offered), number("%d", f.Waiting), number("%d", f.Exported), loss(f.Dropped), loss(f.Failed))
		}
	}
	add("spans", s.Spans)
	add("log records", s.LogRecords)
	if a := s.AccessLog; a != nil {
		add("access log lines", agent.TelemetryFates{
			Offered: a.Written + a.Dropped + a.Failed, Exported: a.Written, Dropped: a.Dropped, Failed: a.Failed,
		})
	}
	if len(lost.rows) > 1 {
		fmt.Fprintln(w)
		lost.write(w, coloured)
	}
	for _, signal := range []string{"traces", "metrics", "logs"} {
		if n := s.Failures[signal]; n > 0 {
			fmt.Fprintf(w, "\n%d exports of %s failed\n", n, signal)
		}
	}
}

// loss is a number that should be 0.
func loss(n int64) cell {
	c := number("%d", n)
	if n > 0 {
		c.colour = red
	}
	return c
}
