// Profiled is the agent, writing a CPU profile of all it does:
//
//	profiled PROFILE agent -config PATH
//
// The agent itself offers nobody a profile. What it is doing is nobody's
// business, and profiling costs it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/outrigger-sidecar/outrigger/agent"
	"github.com/outrigger-sidecar/outrigger/agent/command"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: profiled PROFILE agent -config PATH")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code, err := run(ctx, os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "profiled:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// run runs the agent by its command line, and writes a profile of that.
func run(ctx context.Context, profile string, args []string) (code int, err error) {
	f, err := os.Create(profile) //nolint:gosec // G703: the caller names the file
	if err != nil {
		return 0, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return 0, err
	}
	code = command.Run(ctx, command.Env{Stdout: os.Stdout, Stderr: os.Stderr, Build: agent.Build{Version: "profiled"}}, args)
	pprof.StopCPUProfile()
	return code, f.Close()
}
