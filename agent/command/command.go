// Package command is the command line.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/outrigger-sidecar/outrigger/agent"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Env is what a command works with. Stdout and stderr are apart, so that what
// -json prints can be piped.
type Env struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Build          agent.Build
}

// command is one word after the program's name.
type command struct {
	name, args, does string
	run              func(ctx context.Context, env Env, args []string) int
}

func commands() []command {
	return []command{
		{"agent", "-config PATH … | -dev", "run the sidecar until SIGTERM; SIGHUP reloads", runAgent},
		{"validate", "PATH …", "check configuration and print every problem", validate},
		{"status", "[-telemetry] [-json]", "show each upstream of the running agent, or its telemetry", status},
		{"explain", "UPSTREAM [-v | -json]", "show why each backend gets the traffic it gets", explain},
		{"dev-catalog", "[-listen ADDR]", "run a light Consul alone, for a laptop or a CI job", devCatalog},
		{"version", "[-json]", "show which program this is", version},
	}
}

// Run carries out a command line without the program's name, and returns the
// exit code. It ends early when ctx does.
func Run(ctx context.Context, env Env, args []string) int {
	if env.Getenv == nil {
		env.Getenv = os.Getenv
	}
	if len(args) == 0 {
		usage(env.Stderr)
		return exitUsage
	}
	name := strings.TrimLeft(args[0], "-")
	if name == "help" || name == "h" {
		usage(env.Stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, env, args[1:])
		}
	}
	fmt.Fprintf(env.Stderr, "outrigger: there is no command %q\n\n", args[0])
	usage(env.Stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Outrigger puts the services that an app needs on ports of its own machine.\n\nUsage:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  outrigger %-36s %s\n", c.name+" "+c.args, c.does)
	}
	fmt.Fprint(w, "\n\"outrigger COMMAND -h\" shows the flags of a command.\nWithout Consul at hand, try: outrigger agent -dev\n")
}

// newFlags makes a command's flags. The returned parse gives the arguments
// that are no flags, which may stand before, between and after them.
func newFlags(env Env, name string) (flags *flag.FlagSet, parse func(args []string) (rest []string, code int, ok bool)) {
	flags = flag.NewFlagSet("outrigger "+name, flag.ContinueOnError)
	flags.SetOutput(env.Stderr)
	return flags, func(args []string) (rest []string, code int, ok bool) {
		for {
			switch err := flags.Parse(args); {
			case errors.Is(err, flag.ErrHelp):
				return nil, exitOK, false
			case err != nil:
				return nil, exitUsage, false
			}
			if flags.NArg() == 0 {
				return rest, exitOK, true
			}
			rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
		}
	}
}

func misuse(env Env, flags *flag.FlagSet, format string, args ...any) int {
	fmt.Fprintf(env.Stderr, "%s: "+format+"\n", append([]any{flags.Name()}, args...)...)
	flags.Usage()
	return exitUsage
}

func failed(env Env, err error) int {
	fmt.Fprintf(env.Stderr, "outrigger: %v\n", err)
	return exitError
}
