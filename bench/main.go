package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if code, played := playPart(); played {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal has its usual effect
	os.Exit(run(ctx, os.Stdout, os.Stderr, os.Args[1:]))
}

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

func run(ctx context.Context, stdout, stderr io.Writer, args []string) (code int) {
	o, err := parse(stderr, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := raiseLimit(); err != nil {
		fmt.Fprintln(stderr, "bench: the limit of open files stays as it is:", err)
	}
	dir, err := os.MkdirTemp("", "outrigger-bench-")
	if err == nil {
		defer os.RemoveAll(dir)
		if o.pgo != "" {
			err = profile(ctx, o, dir, stderr)
		} else {
			err = compare(ctx, o, dir, stdout, stderr, "go run . "+strings.Join(args, " "))
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

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

// compare measures all rows, and prints each when it is there.
func compare(ctx context.Context, o options, dir string, stdout, stderr io.Writer, command string) error {
	chosen, err := selectRows(rows(o.pace.idle), o.rows)
	if err != nil {
		return err
	}
	contenders, err := agents(ctx, o, dir, stderr)
	if err != nil {
		return err
	}
	var ours []string
	for _, a := range contenders {
		ours = append(ours, a.name)
	}
	found, missing := findPeers(o.peers)
	for _, m := range missing {
		fmt.Fprintln(stderr, "bench:", m)
	}
	contenders = append(contenders, found...)
	r, err := newRunner(ctx, dir, o.pace, stderr)
	defer r.close()
	if err != nil {
		return err
	}
	rep := report{
		Command: strings.TrimSpace(command), Date: time.Now(), Machine: machine(),
		Rounds: o.pace.rounds, Seconds: o.pace.duration.Seconds(),
	}
	for _, c := range contenders {
		rep.Of = append(rep.Of, who{c.name, c.about})
	}
	rep.preamble(stdout)
	for _, w := range chosen {
		measured, err := r.row(ctx, w, contenders)
		if err != nil {
			return err
		}
		outcome := outcomeOf(w, measured)
		rep.Rows = append(rep.Rows, outcome)
		if err := outcome.write(stdout, ours); err != nil {
			return err
		}
	}
	return rep.save(o)
}

func (r report) save(o options) error {
	if o.json != "" {
		text, err := r.json()
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// agents are the builds that were named, or one that is made of the source.
func agents(ctx context.Context, o options, dir string, stderr io.Writer) (all []contender, err error) {
	for _, a := range o.agents {
		path, err := filepath.Abs(a.path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		all = append(all, agent(a.name, path, a.path))
	}
	if len(all) > 0 {
		return all, nil
	}
	source, err := repo(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(stderr, "bench: building the agent")
	program := filepath.Join(dir, "outrigger.exe") // a name that every system runs
	if err := build(ctx, source, program, ".", "-pgo=auto"); err != nil {
		return nil, err
	}
	return []contender{agent(agentName, program, "built of "+revision(ctx, source))}, nil
}

// machine is what figures depend on.
func machine() string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
}
