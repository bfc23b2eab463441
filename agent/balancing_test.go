package agent

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

func TestSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := parse(t, `
			upstream "web" {
				listen = "127.0.0.1:0"
				slow_start {
					window        = "60s"
					least_percent = 20
				}
				server "old" { address = "127.0.0.1:1" }
				server "new" { address = "127.0.0.1:2" }
			}`).Upstreams[0]
		servers := staticServers(u)
		b := lb.New(lb.RoundRobin(), lb.WithPlacement(placementOf(u, "", "")))
		if err := b.Replace(servers[:1]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := b.Replace(servers); err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			ramp, planned float64
			words         string
		}{{.2, .2 / 1.2, "; 20% ramped"}, {.5, .5 / 1.5, "; 50% ramped"}, {1, .5, ""}} {
			all := b.AllStats()
			got, old := backendOf(all[0], 0, 0), backendOf(all[1], 0, 0)
			if got.ID != "new" || math.Abs(got.Ramp-want.ramp) > 1e-9 || math.Abs(got.Planned-want.planned) > 1e-9 || !strings.HasSuffix(got.Reason, want.words) {
				t.Errorf("got ramp %v, planned %v, %q; want %+v", got.Ramp, got.Planned, got.Reason, want)
			}
			if old.Ramp != 1 || strings.Contains(old.Reason, "ramped") || math.Abs(old.Planned+got.Planned-1) > 1e-9 {
				t.Errorf("the old one: %+v", old)
			}
			time.Sleep(30 * time.Second)
		}
	})
}

func TestReloadOfSlowStart(t *testing.T) {
	format := `
		upstream "web" {
			listen = "127.0.0.1:0"
			slow_start { window = %q }
			server "one" { address = %q }
		}`
	one := backend(t, "one")
	a := run(t, parse(t, format, "1h", one))
	if b := a.explained(t, "web").Backends[0]; b.Ramp != .1 || !strings.Contains(b.Reason, "10% ramped") || b.Planned != 1 {
		t.Errorf("explained as %+v", b)
	}
	if err := a.Reload(parse(t, format, "0s", one)); err != nil {
		t.Fatal(err)
	}
	if b := a.explained(t, "web").Backends[0]; b.Ramp != 1 || strings.Contains(b.Reason, "ramped") {
		t.Errorf("after the reload: %+v", b)
	}
}

func TestSubset(t *testing.T) {
	servers := ""
	for i := range 6 {
		servers += fmt.Sprintf("server \"s%d\" { address = %q }\n", i, backend(t, fmt.Sprint("s", i)))
	}
	c := func(size int, client string) string {
		return fmt.Sprintf(`
			agent { name = "shop" }
			upstream "web" {
				listen   = "127.0.0.1:0"
				strategy = "round_robin"
				subset {
					size   = %d
					client = %q
				}
				%s
			}`, size, client, servers)
	}
	a := run(t, parse(t, "%s", c(2, "0")))
	used := func() (ids string) {
		t.Helper()
		for _, b := range a.explained(t, "web").Backends {
			if b.Spared != strings.HasSuffix(b.Reason, "; outside this agent's subset") || b.Spared == b.Usable || b.State != "up" {
				t.Errorf("explained as %+v", b)
			}
			if b.Usable {
				ids += b.ID + " "
			}
		}
		return ids
	}
	first := used()
	got := answers(t, a.url("web"), 20)
	if len(got) != 2 || len(strings.Fields(first)) != 2 || got[strings.Fields(first)[0]] != 10 {
		t.Errorf("of the subset %q answered %v", first, got)
	}
	if err := a.Reload(parse(t, "%s", c(2, "1"))); err != nil {
		t.Fatal(err)
	}
	if second := used(); second == first {
		t.Errorf("two clients both use %q", first)
	}
	if err := a.Reload(parse(t, "%s", c(3, ""))); err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(used())); n != 3 {
		t.Errorf("%d are used", n)
	}
	if p := a.list()[0].placement; !strings.HasPrefix(p.Subset.Client, "shop@") || len(p.Subset.Client) == len("shop@") {
		t.Errorf("known as %q", p.Subset.Client)
	}
	if err := a.Reload(parse(t, "%s", c(0, ""))); err != nil {
		t.Fatal(err)
	}
	if n := len(strings.Fields(used())); n != 6 {
		t.Errorf("%d are used", n)
	}
}

// A hot key stays within the bound on its backend.
func TestHashBalance(t *testing.T) {
	let := make(chan struct{})
	hanging := func() string {
		return handler(t, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-let:
			case <-r.Context().Done():
			}
			_, _ = io.WriteString(w, "done")
		})
	}
	format := `
		upstream "web" {
			listen       = "127.0.0.1:0"
			strategy     = "consistent_hash"
			hash_on      = "path"
			hash_balance = %v
			server "a" { address = %q }
			server "b" { address = %q }
		}`
	one, two := hanging(), hanging()
	a := run(t, parse(t, format, 0, one, two))
	load := func() (n [2]int64) {
		t.Helper()
		done := make(chan struct{})
		for range 4 {
			go func() {
				_, _ = get(t, a.url("web")+"/hot")
				done <- struct{}{}
			}()
		}
		eventually(t, "all are under way", func() bool {
			for i, b := range a.explained(t, "web").Backends {
				n[i] = b.Active
			}
			return n[0]+n[1] == 4
		})
		for range 4 {
			let <- struct{}{}
			<-done
		}
		return n
	}
	if n := load(); n[0] != 4 && n[1] != 4 {
		t.Errorf("without a bound the hot key has %v", n)
	}
	if err := a.Reload(parse(t, format, 1, one, two)); err != nil {
		t.Fatal(err)
	}
	if n := load(); n[0] != 2 || n[1] != 2 {
		t.Errorf("with one the hot key has %v", n)
	}
}
