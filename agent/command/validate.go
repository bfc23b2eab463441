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
	fmt.Fprintf(env.Stdout, "valid: %d upstreams\n", len(c.Upstreams))
	return exitOK
}
