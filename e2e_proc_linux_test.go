package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// startAgent runs an agent by a configuration.
func startAgent(t *testing.T, program, text string) *process {
	t.Helper()
	path, log := filepath.Join(t.TempDir(), "agent.hcl"), new(lockedBuffer)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "agent", "-config", path)
	cmd.Stderr = log
	p := started(t, cmd)
	t.Cleanup(func() {
		if text := log.String(); t.Failed() {
			t.Logf("the agent's log ends with:\n%s", text[max(0, len(text)-4000):])
		}
	})
	return p
}

// resident is the most memory that a process had in use so far, in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	field := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(raw)
	if field == nil {
		t.Fatalf("no VmHWM in %s", raw)
	}
	n, _ := strconv.Atoi(string(field[1]))
	return n << 10
}

// processor is the time that a process has used so far.
func processor(t *testing.T, pid int) (used time.Duration) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // in nanoseconds, unlike stat
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		raw, err := os.ReadFile(task)
		if err != nil {
			continue // it has ended
		}
		var on int64
		if _, err := fmt.Sscan(string(raw), &on); err != nil {
			t.Fatal(err)
		}
		used += time.Duration(on)
	}
	return used
}
