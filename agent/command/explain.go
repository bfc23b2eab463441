package command

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/outrigger-sidecar/outrigger/agent"
)

func explain(ctx context.Context, env Env, args []string) int {
	flags, parse := newFlags(env, "explain")
	asJSON, admin := flags.Bool("json", false, "print the agent's JSON"), adminFlag(env, flags)
	verbose := flags.Bool("v", false, "show also, for each backend, its last probes and all that would change its state")
	rest, code, ok := parse(args)
	switch {
	case !ok:
		return code
	case len(rest) != 1:
		return misuse(env, flags, "name one upstream")
	}
	var e agent.Explanation
	raw, err := ask(ctx, *admin, "/v1/upstreams/"+url.PathEscape(rest[0]), &e)
	if err != nil {
		return failed(env, err)
	}
	if *asJSON {
		_, _ = env.Stdout.Write(raw)
		return exitOK
	}
	head(env.Stdout, e)
	fmt.Fprintln(env.Stdout)
	colours := coloured(env, env.Stdout)
	backendTable(e).write(env.Stdout, colours)
	if checks := checkTable(e); len(checks.rows) > 1 {
		fmt.Fprintln(env.Stdout)
		checks.write(env.Stdout, colours)
	}
	if *verbose {
		details(env.Stdout, e.Backends, colours)
	} else {
		remedies(env.Stdout, e.Backends)
	}
	return exitOK
}

// head prints what holds for all backends, and of that only what there is.
func head(w io.Writer, e agent.Explanation) {
	fmt.Fprintf(w, "%s on %s: %s, %s", e.Name, e.Listen, e.Protocol, e.Strategy)
	if e.Zone != "" {
		fmt.Fprintf(w, ", zone %q first", e.Zone)
	}
	if c := e.Catalog; c != nil {
		if c.Query != "" {
			fmt.Fprintf(w, "; prepared query %q", c.Query)
		}
		fmt.Fprintf(w, "; service %q in Consul, %s\n", c.Service, watched(c.WatchStatus).text)
		headOfCatalog(w, c)
	} else {
		fmt.Fprintln(w)
	}
	switch {
	case e.Panic && e.Usable == 0:
		fmt.Fprintln(w, "panic: too few backends are up, so that requests are refused (fail_closed)")
	case e.Panic:
		fmt.Fprintln(w, "panic: too few backends are up, so that others are used as well")
	}
	headOfLimits(w, e.UpstreamStatus)
	if q := e.Queue; q != nil {
		fmt.Fprintf(w, "queue: %d of %d waiting; %d waited so far, %d gave up, %d found it full\n", q.Waiting, q.Length, q.Queued, q.GaveUp, q.Refused)
	}
	headOfTLS(w, e)
	if s := e.Shadow; s != nil {
		fmt.Fprintf(w, "shadow: %s chose the same backend in %s of %d picks\n", s.Strategy, share(s.AgreedShare).text, s.Picks)
		if i := s.Imbalance; i.Picks > 0 {
			fmt.Fprintf(w, "imbalance of the last minute, 1 is even: picks %.2f, shadow %.2f; load %.2f, shadow %.2f\n",
				i.Picks, i.ShadowPicks, i.Load, i.ShadowLoad)
		}
	}
}

// column is one column of a table of backends.
type column struct {
	name string
	cell func(agent.Backend) cell
}

// backendTable is a row for each backend, with the columns that tell something.
func backendTable(e agent.Explanation) *table {
	columns := []column{
		{"BACKEND", func(b agent.Backend) cell { return text(printable(b.ID)) }},
		{"ADDRESS", func(b agent.Backend) cell { return text(printable(b.Address)) }},
		{"STATE", func(b agent.Backend) cell { return cell{text: b.State, colour: stateColour(b.State)} }},
	}
	add := func(matters bool, name string, cell func(agent.Backend) cell) {
		if matters {
			columns = append(columns, column{name, cell})
		}
	}
	some := func(is func(agent.Backend) bool) bool { return slices.ContainsFunc(e.Backends, is) }
	placed := some(func(b agent.Backend) bool { return b.Place != "" })
	grouped := some(func(b agent.Backend) bool { return b.Priority > 0 })
	tiered := some(func(b agent.Backend) bool { return b.Tiers > 1 })
	uneven := tiered || e.Shadow != nil || some(func(b agent.Backend) bool { return b.Spared || b.Usable && b.Ramp < 1 })

	add(placed, "PLACE", func(b agent.Backend) cell { return text(printable(b.Place)) })
	add(grouped, "PRIORITY", func(b agent.Backend) cell { return number("%d", b.Priority) })
	add(e.Zone != "" && some(func(b agent.Backend) bool { return b.Zone != e.Zone }), "ZONE", func(b agent.Backend) cell { return text(printable(b.Zone)) })
	add(tiered, "TIER", tier)
	add(true, "WEIGHT", func(b agent.Backend) cell { return number("%d", b.Weight) })
	add(uneven, "PLAN", func(b agent.Backend) cell { return share(b.Planned) })
	add(true, "SHARE", func(b agent.Backend) cell { return share(b.Share) })
	add(e.Shadow != nil, "SHADOW", func(b agent.Backend) cell { return share(b.ShadowShare) })
	add(true, "ACTIVE", func(b agent.Backend) cell { return number("%d", b.Active) })
	add(e.Shadow != nil, "S-ACTIVE", func(b agent.Backend) cell { return number("%d", b.ShadowActive) })
	add(true, "REQUESTS", func(b agent.Backend) cell { return number("%d", b.Requests) })
	add(true, "FAILED", func(b agent.Backend) cell { return number("%d", b.Failures) })
	add(true, "MEAN", func(b agent.Backend) cell { return seconds(b.Mean) })
	add(true, "CATALOG", func(b agent.Backend) cell { return text(b.Catalog.Status) })
	add(true, "PROBE", func(b agent.Backend) cell { return text(b.Probe.Status) })
	add(true, "SINCE", func(b agent.Backend) cell { return ago(b.Since) })
	add(true, "RULE", func(b agent.Backend) cell { return number("%d", b.Rule) })
	add(true, "WHY", func(b agent.Backend) cell { return text(printable(why(b))) })

	t := new(table)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	t.header(names...)
	for _, b := range e.Backends {
		row := make([]cell, len(columns))
		for i, c := range columns {
			row[i] = c.cell(b)
		}
		t.add(row...)
	}
	return t
}

// tier is where a backend stands among those that can be picked.
func tier(b agent.Backend) cell {
	if b.Tier == 0 {
		return text("-")
	}
	return text(fmt.Sprintf("%d of %d", b.Tier, b.Tiers))
}

// why is the reason, and what the check that decided printed.
func why(b agent.Backend) string {
	s := b.Reason
	if b.State != "up" && b.Catalog.Output != "" {
		s += ": " + b.Catalog.Output
	}
	if !b.Until.IsZero() {
		s += fmt.Sprintf(" (until %s)", b.Until.Local().Format("15:04:05"))
	}
	return brieflySaid(s)
}

// brieflySaid keeps the beginning of a long text.
func brieflySaid(s string) string {
	const enough = 160
	if r := []rune(s); len(r) > enough {
		s = string(r[:enough]) + "…"
	}
	return s
}
