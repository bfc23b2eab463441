package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/outrigger-sidecar/outrigger/agent"
)

func status(ctx context.Context, env Env, args []string) int {
	flags, parse := newFlags(env, "status")
	asJSON, admin := flags.Bool("json", false, "print the agent's JSON"), adminFlag(env, flags)
	ofTelemetry := flags.Bool("telemetry", false, "show what traces, metrics and logs go by, who said so, and what was lost")
	rest, code, ok := parse(args)
	switch {
	case !ok:
		return code
	case len(rest) > 0:
		return misuse(env, flags, "unexpected %q", rest[0])
	}
	if *ofTelemetry {
		var s agent.TelemetryStatus
		raw, err := ask(ctx, *admin, "/v1/telemetry", &s)
		switch {
		case err != nil:
			return failed(env, err)
		case *asJSON:
			_, _ = env.Stdout.Write(raw)
		default:
			showTelemetry(env.Stdout, s, coloured(env, env.Stdout))
		}
		return exitOK
	}
	var s agent.Status
	raw, err := ask(ctx, *admin, "/v1/status", &s)
	if err != nil {
		return failed(env, err)
	}
	if *asJSON {
		_, _ = env.Stdout.Write(raw)
		return exitOK
	}
	colours := coloured(env, env.Stdout)
	fmt.Fprintf(env.Stdout, "outrigger %s, %s, up %s\n", s.Version, s.State, ago(s.Started).text)
	if s.Reload != nil {
		word := "last reload ok"
		if s.Reload.Error != "" {
			word = "last reload failed, the configuration before it is in force: " + printable(s.Reload.Error)
		}
		fmt.Fprintf(env.Stdout, "%s (%s ago)\n", word, ago(s.Reload.At).text)
	}
	if s.Service != nil {
		fmt.Fprintln(env.Stdout, registration(*s.Service))
	}
	if len(s.Upstreams) == 0 { // an agent that only registers its app
		return exitOK
	}
	fmt.Fprintln(env.Stdout)
	var t table
	t.header("UPSTREAM", "LISTEN", "STRATEGY", "BACKENDS", "CATALOG", "REQ/S", "ERRORS", "P50", "P99", "ACTIVE")
	for _, u := range s.Upstreams {
		t.add(text(u.Name), text(u.Listen), text(u.Strategy), backends(u), catalog(u.Catalog),
			number("%.1f", u.PerSecond), share(u.ErrorShare), seconds(u.P50), seconds(u.P99), number("%d", u.Active))
	}
	t.write(env.Stdout, colours)
	for _, u := range s.Upstreams {
		if u.Reason != "" {
			fmt.Fprintf(env.Stdout, "\n%s: %s\n", u.Name, printable(u.Reason))
		}
		if c := u.Limits.Circuit; c != nil && c.State != "closed" {
			fmt.Fprintf(env.Stdout, "\n%s: %s\n", u.Name, circuit(*c))
		}
		if c := u.Catalog; c != nil && (c.Doubt != "" || len(c.Places) > 0) {
			fmt.Fprintf(env.Stdout, "\n%s in Consul:\n", u.Name)
			headOfCatalog(env.Stdout, c)
		}
	}
	return exitOK
}

// registration is how the app is registered, in a line.
func registration(s agent.ServiceStatus) string {
	is := "is not"
	if s.Registered {
		is = "is"
	}
	line := fmt.Sprintf("service %s %s registered as %s, for %s", s.Name, is, s.ID, ago(s.Since).text)
	if s.Error != "" {
		line += ": " + printable(s.Error)
	}
	return line
}

// backends counts those of an upstream by state.
func backends(u agent.UpstreamStatus) cell {
	var parts []string
	for _, state := range []string{"up", "pending", "down", "ejected", "draining"} {
		if n := u.Backends[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	c := cell{text: strings.Join(parts, ", "), colour: green}
	switch {
	case u.Panic && !u.Ready:
		c.text += " (panic: none used)"
		c.colour = red
	case !u.Ready:
		c.colour = red
	case u.Panic:
		c.text += " (panic: all used)"
		c.colour = yellow
	case u.Backends["down"]+u.Backends["ejected"] > 0:
		c.colour = yellow
	}
	if c.text == "" {
		c.text = "none"
	}
	return c
}
