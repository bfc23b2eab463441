package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/dev"
)

// devCatalog runs the catalog of -dev alone: a light Consul for a laptop or a
// CI job.
func devCatalog(ctx context.Context, env Env, args []string) int {
	flags, parse := newFlags(env, "dev-catalog")
	listen := flags.String("listen", defaultCatalog, "where to listen, `host:port`")
	public := flags.Bool("public", false, "listen where other machines can connect, and change everything")
	policy := flags.String("acl", "off", "access control: `off`, or what it does by default: allow, deny")
	token := flags.String("token", "", "with -acl, the `SECRET` of the token that may do everything; \"\" makes one up")
	faults := flags.Bool("faults", false, "let anybody have it misbehave, on /v1/dev/fault")
	level := flags.String("log-level", "info", "`level` of the log on standard error: info shows what was changed, debug what was read too")
	rest, code, ok := parse(args)
	switch {
	case !ok:
		return code
	case len(rest) > 0:
		return misuse(env, flags, "unexpected %q", rest[0])
	case *policy != "off" && *policy != "allow" && *policy != "deny":
		return misuse(env, flags, "-acl is off, allow or deny, not %q", *policy)
	case *policy == "off" && *token != "":
		return misuse(env, flags, "-token has a meaning with -acl allow or deny only")
	case hclog.LevelFromString(*level) == hclog.NoLevel:
		return misuse(env, flags, "-log-level is trace, debug, info, warn or error, not %q", *level)
	}
	host, _, err := net.SplitHostPort(*listen)
	switch {
	case err != nil:
		return misuse(env, flags, "-listen %q is no address such as %s", *listen, defaultCatalog)
	case !loopback(host) && !*public:
		return misuse(env, flags, "-listen %s lets other machines in, who can then change everything; add -public if that is meant", *listen)
	}

	logger := hclog.New(&hclog.LoggerOptions{Name: "outrigger.catalog", Level: hclog.LevelFromString(*level), Output: env.Stderr})
	options := dev.CatalogOptions{Faults: *faults, Answered: func(method, path string, status int) {
		log := logger.Info
		if method == http.MethodGet || method == http.MethodOptions {
			log = logger.Debug
		}
		log(method, "path", path, "status", status)
	}}
	if *policy != "off" {
		options.Policy, options.Token = *policy, *token
	}
	catalog, err := dev.NewCatalog(*listen, options)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("%w; -listen takes another, and port 0 any that is free", err)
		}
		return failed(env, err)
	}
	if *public {
		logger.Warn("other machines may be able to connect", "listen", catalog.Address, "faults", *faults)
	}
	logger.Info("serving", "listen", catalog.Address)
	catalog.Describe(env.Stdout)
	if err := catalog.Run(ctx); err != nil {
		return failed(env, err)
	}
	logger.Info("stopped")
	return exitOK
}

// loopback tells whether only this machine can connect to a host.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
