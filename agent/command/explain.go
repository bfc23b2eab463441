package command

import (
	"context"
	"fmt"
	"net/url"

	"github.com/outrigger-sidecar/outrigger/agent"
)

func explain(ctx context.Context, env Env, args []string) int {
	flags, parse := newFlags(env, "explain")
	asJSON, admin := flags.Bool("json", false, "print the agent's JSON"), adminFlag(env, flags)
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
	fmt.Fprintf(env.Stdout, "%s on %s: %s, %s", e.Name, e.Listen, e.Protocol, e.Strategy)
	if c := e.Catalog; c != nil {
		fmt.Fprintf(env.Stdout, "; service %q in Consul, %s", c.Service, catalog(c).text)
		if c.Error != "" {
			fmt.Fprintf(env.Stdout, "\nConsul: %s", printable(c.Error))
		}
		for _, why := range c.Skipped {
			fmt.Fprintf(env.Stdout, "\nleft out: %s", printable(why))
		}
	}
	fmt.Fprintln(env.Stdout)
	if e.Panic {
		fmt.Fprintln(env.Stdout, "panic: too few backends are up, so that others are used as well")
	}
	fmt.Fprintln(env.Stdout)
	var t table
	t.header("BACKEND", "ADDRESS", "STATE", "WEIGHT", "SHARE", "ACTIVE", "REQUESTS", "FAILED", "MEAN", "CATALOG", "PROBE", "SINCE", "RULE", "WHY")
	for _, b := range e.Backends {
		t.add(text(printable(b.ID)), text(printable(b.Address)), cell{text: b.State, colour: stateColour(b.State)},
			number("%d", b.Weight), share(b.Share), number("%d", b.Active), number("%d", b.Requests), number("%d", b.Failures),
			seconds(b.Mean), text(b.Catalog.Status), text(b.Probe.Status), ago(b.Since), number("%d", b.Rule), text(printable(why(b))))
	}
	t.write(env.Stdout, coloured(env, env.Stdout))
	return exitOK
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
	const enough = 160
	if r := []rune(s); len(r) > enough {
		s = string(r[:enough]) + "…"
	}
	return s
}
