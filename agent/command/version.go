package command

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
)

func version(_ context.Context, env Env, args []string) int {
	flags, parse := newFlags(env, "version")
	asJSON := flags.Bool("json", false, "print JSON")
	rest, code, ok := parse(args)
	switch {
	case !ok:
		return code
	case len(rest) > 0:
		return misuse(env, flags, "unexpected %q", rest[0])
	}
	if *asJSON {
		_ = json.NewEncoder(env.Stdout).Encode(map[string]string{
			"version": env.Build.Version, "revision": env.Build.Revision, "go_version": runtime.Version(),
		})
		return exitOK
	}
	revision := env.Build.Revision
	if revision != "" {
		revision = " (" + revision + ")"
	}
	fmt.Fprintf(env.Stdout, "outrigger %s%s %s\n", env.Build.Version, revision, runtime.Version())
	return exitOK
}
