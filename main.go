// Outrigger is a sidecar that puts the services an app needs on ports of its
// own machine.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/outrigger-sidecar/outrigger/agent"
	"github.com/outrigger-sidecar/outrigger/agent/command"
)

// version is set by release builds: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on the next has its usual effect: it ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	agent.ShareProcessors()
	os.Exit(command.Run(ctx, command.Env{Stdout: os.Stdout, Stderr: os.Stderr, Build: build()}, os.Args[1:]))
}

// build tells which revision this was built from, where Go knows.
func build() agent.Build {
	b := agent.Build{Version: version}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.Revision = s.Value
			}
		}
		if v := info.Main.Version; version == "dev" && v != "" && v != "(devel)" {
			b.Version = v
		}
	}
	return b
}
