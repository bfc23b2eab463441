package command

import (
	"context"
	"fmt"

	"github.com/outrigger-sidecar/outrigger/agent/config"
)

func validate(_ context.Context, env Env, args []string) int {
	flags, parse := newFlags(env, "validate")
	paths, code, ok := parse(args)
	switch {
	case !ok:
		return code
	case len(paths) == 0:
		return misuse(env, flags, "name the files or directories to check")
	}
	c, problems := config.Load(paths...)
	_ = problems.Write(env.Stdout)
	if problems.HasErrors() {
		return exitError
	}
	app := ""
	if c.Service != nil {
		app = fmt.Sprintf(", service %q", c.Service.Name)
	}
	fmt.Fprintf(env.Stdout, "valid: %d upstreams%s\n", len(c.Upstreams), app)
	return exitOK
}
