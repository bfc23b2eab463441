package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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
func processor(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * (time.Second / 100) // USER_HZ
}
