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
	r, err := newRunner(ctx, dir, o.pace, progress(stderr))
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

// progress is where to tell what is being measured: nowhere, unless somebody
// looks on.
func progress(stderr io.Writer) io.Writer {
	if f, ok := stderr.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return stderr
		}
	}
	return io.Discard
}
