package suites

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slowhttptest's ways to use up a server, by thousands of connections that do
// as little as they can: its probe gets its answer all the while, all are closed
// when their time is up, and the agent's memory stays bounded.
func TestSlowHTTP(t *testing.T) {
	tool, err := exec.LookPath("slowhttptest")
	if err != nil {
		t.Skip("slowhttptest is not installed")
	}
	for _, tt := range []struct {
		name   string
		size   int // of an answer
		args   string
		closed bool // while the attack goes on
		most   int  // MiB of resident memory
	}{
		{"a head that never ends", 1024, "-H -c 4000 -i 1", true, 256},
		{"a body in drops, each with a backend that waits for it", 1024, "-B -c 3000 -i 6 -s 8192", true, 256},
		// The kernel takes as much as that off our hands.
		{"an answer that is hardly read", 128 << 10, "-X -c 3000 -n 1 -z 32", false, 256},
		// And not as much as that.
		{"a long answer that is hardly read", 8 << 20, "-X -c 150 -n 1 -z 32", true, 128},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, web(t, tt.size), `
				timeouts {
				  header = "4s"
				  idle   = "4s"
				  client = "4s"
				}`)
			before := resident(t, a.pid)
			args := strings.Fields(tt.args + fmt.Sprintf(" -r 1500 -l 14 -p 3 -v 1 -u http://%s/", a.address))
			cmd := exec.Command(tool, args...)
			cmd.Env = append(os.Environ(), "TERM=dumb")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// The tool itself would not notice as long as it has anything to read.
			if tt.closed {
				waitFor(t, "they are there", func() bool { return descriptors(t, a.pid) > 100 })
				waitFor(t, "they are closed", func() bool { return descriptors(t, a.pid) < 50 })
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v:\n%s", err, out.String())
			}
			text := escapes.ReplaceAllString(out.String(), "")
			if strings.Contains(text, "service available:   NO") || !strings.Contains(text, "service available:   YES") {
				t.Errorf("it was not available all the while:\n%s", text)
			}
			peak := resident(t, a.pid)
			t.Logf("resident memory %d MiB before, %d MiB at most; last report:\n%s", before, peak, text[strings.LastIndex(text, "slow HTTP test status"):])
			if peak > tt.most {
				t.Errorf("resident memory was %d MiB", peak)
			}
			response, err := (&http.Client{Timeout: 3 * time.Second}).Get("http://" + a.address + "/")
			if err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("after it: %v, %v", response, err)
			} else {
				response.Body.Close()
			}
		})
	}
}

var escapes = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// waitFor waits until the agent has got so far, for less than
// slowhttptest takes.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(12 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("waited in vain until %s", what)
			return
		}
	}
}

// descriptors is how many a process has open.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// resident is the most memory that a process has had, in MiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib >> 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
