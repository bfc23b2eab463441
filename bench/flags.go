package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	pace      pace
	rows      string
	peers     []string
	agents    []agentFlag
	json, svg string
	pgo       string
}

// agentFlag is a build of the agent that the caller has at hand.
type agentFlag struct{ name, path string }

func parse(stderr io.Writer, args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.pace.rounds, "rounds", 5, "how often to measure each; medians are shown")
	flags.DurationVar(&o.pace.duration, "duration", 3*time.Second, "how long to measure at a time")
	flags.DurationVar(&o.pace.warmup, "warmup", time.Second, "and how long to play before that")
	flags.StringVar(&o.rows, "rows", "", "only these rows, names or regular expressions with commas between; there are "+names(rows(0)))
	flags.Func("peers", "compare with these only, `names` with commas between, or none; by default "+strings.Join(peers(), ","), func(list string) error {
		o.peers, err = parsePeers(list)
		return err
	})
	flags.Func("agent", "measure this build of the agent, `[name=]path`; may be repeated to compare builds; by default one is built", func(v string) error {
		o.agents = append(o.agents, parseAgent(v, len(o.agents)))
		return nil
	})
	flags.StringVar(&o.json, "json", "", "write what was measured to this `file`")
	flags.StringVar(&o.svg, "svg", "", "draw a chart into this `file`")
	short := flags.Bool("short", false, "one quick round, to see that it works")
	flags.StringVar(&o.pgo, "pgo", "", "compare nothing, and write a CPU profile of the agent under all rows to this `file`")
	o.peers = peers()
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "bench: unexpected %q\n", flags.Arg(0))
		return o, errors.New("unexpected argument")
	}
	o.pace.idle, o.pace.rest = 5000, 2*time.Second
	if *short {
		o.pace = pace{rounds: 1, duration: 200 * time.Millisecond, warmup: 50 * time.Millisecond, idle: 200, rest: 100 * time.Millisecond}
	}
	o.pace.rounds = max(o.pace.rounds, 1)
	return o, nil
}

func parsePeers(list string) (chosen []string, err error) {
	if list == "" || list == "none" {
		return nil, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(peers(), name) {
			return nil, fmt.Errorf("there is no %q; there are %s", name, strings.Join(peers(), ", "))
		}
		chosen = append(chosen, name)
	}
	return chosen, nil
}

// parseAgent gives builds without a name one.
func parseAgent(value string, before int) agentFlag {
	name, path, ok := strings.Cut(value, "=")
	if !ok {
		name, path = agentName, value
		if before > 0 {
			name = fmt.Sprintf("%s-%d", agentName, before+1)
		}
	}
	return agentFlag{name: name, path: path}
}

func names(all []row) string {
	var list []string
	for _, r := range all {
		list = append(list, r.name)
	}
	return strings.Join(list, ", ")
}
