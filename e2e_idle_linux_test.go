package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// testIdleUpstreams is 64 upstreams that nobody calls: the process holds a
// connection to Consul for each of them, and uses no processor time to speak of.
// How often they ask is a matter of minutes, and so of discovery/consul, where
// time is virtual.
func testIdleUpstreams(t *testing.T, program string) {
	catalogs(t, func(t *testing.T, c *consulServer) {
		const upstreams = 64
		app := actor(t, "app", "127.0.0.1:0")
		_, port, _ := net.SplitHostPort(app.address)
		service, admin := fmt.Sprint("idle-", os.Getpid()), "127.0.0.1:"+freePorts(t, 1)[0]
		c.registerAt(t, service, port)
		text := fmt.Sprintf("consul { address = %q }\nadmin { listen = %q }\n", c.address, admin)
		for n := range upstreams {
			text += fmt.Sprintf(`
upstream "u%d" {
  listen = "127.0.0.1:0"
  consul {
    service = %q
    filter  = "Service.Port != %d"
  }
}
`, n, service, n+1)
		}
		process := startAgent(t, program, text)
		eventually(t, "all are ready", func() error {
			if body := fetch("http://" + admin + "/readyz"); !strings.Contains(strings.ReplaceAll(body, " ", ""), `"ready":true`) {
				return errors.New(body)
			}
			return nil
		})
		eventually(t, "each has one connection", func() error {
			if n := connections(t, process.Process.Pid, c.address); n != upstreams {
				return fmt.Errorf("there are %d", n)
			}
			return nil
		})
		const lasts = 5500 * time.Millisecond // every five seconds counters are read
		before := processor(t, process.Process.Pid)
		time.Sleep(lasts)
		used := processor(t, process.Process.Pid) - before
		share := float64(used) / float64(lasts)
		t.Logf("%v of processor time in %v, which is %.2f%%", used, lasts, 100*share)
		if share > 0.005 {
			t.Errorf("%v of processor time in %v", used, lasts)
		}
		if n := connections(t, process.Process.Pid, c.address); n != upstreams {
			t.Errorf("%d connections", n)
		}
	})
}

// connections counts those that a process has to an address.
func connections(t *testing.T, pid int, address string) (n int) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	own := make(map[string]bool)
	for _, link := range links {
		target, _ := os.Readlink(link) // which may be closed by now
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	const remote, state, inode, established = 2, 3, 9, "01"
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) > inode && strings.HasSuffix(f[remote], fmt.Sprintf(":%04X", number)) && f[state] == established && own[f[inode]] {
			n++
		}
	}
	return n
}
