package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// agentName is what the agent is called unless the caller says otherwise.
const agentName = "outrigger"

// agent is a build of the agent. Further arguments stand between the program
// and its command.
func agent(name, program, about string, args ...string) contender {
	return contender{
		name: name, about: about,
		command: func(l layout) (command, error) {
			path := filepath.Join(l.dir, "agent.hcl")
			err := os.WriteFile(path, []byte(agentConfig(l)), 0o600)
			return command{args: append(append([]string{program}, args...), "agent", "-config", path)}, err
		},
	}
}

// agentConfig has metrics and traces on. The requests of the bench say that
// their callers do not record them, so that nothing is sent to the collector,
// of which there is none.
func agentConfig(l layout) string {
	var b strings.Builder
	fmt.Fprintf(&b, `agent {
  log_level     = "error"
  drain_timeout = "1s"
}
admin { listen = %q }
telemetry {
  shutdown_timeout = "1s"
  traces {
    exporters = ["otlp"]
    endpoint  = "http://127.0.0.1:4317"
  }
  metrics { exporters = ["prometheus"] }
}
`, l.admin)
	upstream := func(name, address, more string, p protocol) {
		fmt.Fprintf(&b, "upstream %q {\n  listen = %q\n%s", name, address, more)
		for i, backend := range behind(l.backends, p) {
			fmt.Fprintf(&b, "  server \"s%d\" { address = %q }\n", i, backend)
		}
		b.WriteString("}\n")
	}
	for i, address := range l.http {
		upstream(fmt.Sprintf("http%d", i), address, "", http1)
	}
	upstream("h2c", l.h2c, "  backend_protocol = \"h2c\"\n", h2c)
	upstream("tcp", l.tcp, "  protocol = \"tcp\"\n", tcp)
	return b.String()
}

// repo is the directory of the agent's source, which is above that of the bench.
func repo(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	dir := filepath.Dir(strings.TrimSpace(string(out)))
	if filepath.Base(dir) != "bench" {
		return "", errors.New("run it in the directory bench of the repository")
	}
	return filepath.Dir(dir), nil
}

// build builds a package of the module in dir.
func build(ctx context.Context, dir, output, pkg string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", output, pkg)
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // G204: running programs is the job
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// revision says what is built in dir, as well as git knows.
func revision(ctx context.Context, dir string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "describe", "--always", "--dirty").Output() //nolint:gosec // G204: as above
	if err != nil {
		return "this source"
	}
	return strings.TrimSpace(string(out))
}
