package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent"
	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/dev"
)

// defaultCatalog is where Consul is by default, and so the demo's catalog.
const defaultCatalog = "127.0.0.1:8500"

func runAgent(ctx context.Context, env Env, args []string) int {
	flags, parse := newFlags(env, "agent")
	var paths []string
	flags.Func("config", "read configuration from `PATH`, a file or a directory of *.hcl; may be repeated", func(path string) error {
		paths = append(paths, path)
		return nil
	})
	demo := flags.Bool("dev", false, "run with a catalog and backends of its own, to try things out")
	catalog := flags.String("dev-catalog", defaultCatalog, "where that catalog listens, `host:port`")
	rest, code, ok := parse(args)
	switch {
	case !ok:
		return code
	case len(rest) > 0:
		return misuse(env, flags, "unexpected %q; is -config missing?", rest[0])
	case len(paths) == 0 && !*demo:
		return misuse(env, flags, "name the configuration with -config, or try -dev")
	}

	// Caught from here on, so that a SIGHUP that comes early ends nothing.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	r := runner{env: env, paths: paths}
	if *demo {
		d, err := dev.Start(ctx, *catalog)
		if err != nil {
			return failed(env, err)
		}
		defer d.Stop()
		r.demo = d
	}
	return r.run(ctx, hangup)
}

// runner runs one agent by one set of configuration files.
type runner struct {
	env   Env
	paths []string
	demo  *dev.Demo // nil without -dev
}

func (r runner) run(ctx context.Context, hangup <-chan os.Signal) int {
	c, problems := r.load()
	_ = problems.Write(r.env.Stderr)
	if problems.HasErrors() {
		return exitError
	}
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: "outrigger", Level: hclog.LevelFromString(c.Agent.LogLevel),
		Output: r.env.Stderr, JSONFormat: c.Agent.LogFormat == "json",
	})
	a, err := agent.New(c, logger, r.env.Build)
	if err != nil {
		return failed(r.env, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	ready := time.NewTicker(5 * time.Millisecond)
	defer ready.Stop()
	described := time.Now().Add(2 * time.Second) // at the latest
	for {
		select {
		case err := <-ended:
			if err != nil {
				return exitError // Run has logged it
			}
			return exitOK
		case <-hangup:
			r.reload(a, logger)
		case now := <-ready.C:
			switch {
			case r.demo == nil:
				ready.Stop()
			case a.Ready() || now.After(described):
				r.demo.Describe(r.env.Stdout, a.Addresses(), c)
				ready.Stop()
			}
		}
	}
}

// load reads the configuration. With a demo it points at the demo's catalog.
func (r runner) load() (c config.Config, problems config.Diagnostics) {
	if len(r.paths) == 0 {
		c, problems = dev.Config()
	} else {
		c, problems = config.Load(r.paths...)
	}
	if r.demo != nil {
		c.Consul = config.Consul{Address: r.demo.Address, Wait: c.Consul.Wait}
	}
	return c, problems
}

func (r runner) reload(a *agent.Agent, logger hclog.Logger) {
	logger.Info("reloading the configuration")
	a.Reopen()
	c, problems := r.load()
	for _, p := range problems {
		log := logger.Error
		if p.Severity == config.SeverityWarning {
			log = logger.Warn
		}
		log("configuration: "+p.Summary, "at", fmt.Sprintf("%s:%d,%d", p.File, p.Line, p.Col), "advice", p.Detail)
	}
	if problems.HasErrors() {
		a.ReloadFailed(problems)
		return
	}
	_ = a.Reload(c) // which logs what comes of it
}
