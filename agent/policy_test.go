package agent

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// checked registers an instance of web with a TTL check, which is critical until
// told otherwise, and the weights 10 and 2.
func (c *consulServer) checked(t testing.TB, id, address string) {
	t.Helper()
	c.put(t, "/v1/agent/service/register", fmt.Sprintf(
		`{"Name": "web", "ID": %q, "Address": "127.0.0.1", "Port": %s, "Weights": {"Passing": 10, "Warning": 2}, "Check": {"TTL": "1h"}}`,
		id, address[strings.LastIndex(address, ":")+1:]))
}

// says sets that check: pass, warn or fail.
func (c *consulServer) says(t testing.TB, id, word string) {
	t.Helper()
	c.put(t, "/v1/agent/check/"+word+"/service:"+id, "")
}

// verdicts are the state, rule and weight of each backend.
func verdicts(e Explanation) string {
	var words []string
	for _, b := range e.Backends {
		words = append(words, fmt.Sprintf("%s %s %d %d", strings.TrimPrefix(b.ID, "dev-node/"), b.State, b.Rule, b.Weight))
	}
	return strings.Join(words, ", ")
}

// until waits for these verdicts on web.
func (r *running) until(t testing.TB, want string) Explanation {
	t.Helper()
	var e Explanation
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if e = r.explained(t, "web"); verdicts(e) == want {
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("in the end %s, and not %s", verdicts(e), want)
		}
	}
}

// judging is an agent whose upstream web has this in its health block.
func judging(t testing.TB, consul *consulServer, health string) (a *running, reload func(health string)) {
	t.Helper()
	text := func(health string) string {
		return fmt.Sprintf(`
			consul { address = %q }
			upstream "web" {
				listen = "127.0.0.1:0"
				consul { service = "web" }
				health {
					%s
				}
			}`, consul.address, health)
	}
	a = run(t, parse(t, "%s", text(health)))
	return a, func(health string) {
		t.Helper()
		if err := a.Reload(parse(t, "%s", text(health))); err != nil {
			t.Fatal(err)
		}
	}
}

// healthy answers everything but /health, as told there.
func healthy(t testing.TB, well bool) string {
	t.Helper()
	return handler(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" && !well {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

// Each algebra where the catalog and the probes contradict each other.
func TestMerge(t *testing.T) {
	consul := startConsul(t)
	consul.checked(t, "lame", healthy(t, false))
	consul.says(t, "lame", "pass")
	consul.checked(t, "sick", healthy(t, true))
	text := func(merge string) string {
		return fmt.Sprintf("merge = %q\n panic = \"off\"\n check \"http\" { interval = \"10ms\" }", merge)
	}
	a, reload := judging(t, consul, text("worst"))
	a.until(t, "lame down 4 0, sick down 7 0")
	reload(text("catalog"))
	a.until(t, "lame up 15 10, sick down 7 0")
	reload(text("probe"))
	a.until(t, "lame down 4 0, sick up 16 10")
	reload(text("any"))
	if e := a.until(t, "lame up 17 2, sick up 17 2"); e.Usable != 2 {
		t.Errorf("%d are usable", e.Usable)
	}
	reload(text("worst"))
	a.until(t, "lame down 4 0, sick down 7 0")
}

func TestWarnings(t *testing.T) {
	consul := startConsul(t)
	consul.checked(t, "a", backend(t, "a"))
	consul.says(t, "a", "warn")
	a, reload := judging(t, consul, "")
	a.until(t, "a up 12 2")
	reload(`warning = "passing"`)
	a.until(t, "a up 12 10")
	reload(`warning = "out"`)
	a.until(t, "a down 12 0")
	reload(`warning = "reduced"`)
	a.until(t, "a up 12 2")
}

func TestConsulFall(t *testing.T) {
	consul := startConsul(t)
	consul.checked(t, "a", backend(t, "a"))
	consul.says(t, "a", "pass")
	text := `
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { service = "web" }
			health { consul_fall = %q }
		}
		upstream "soon" {
			listen = "127.0.0.1:0"
			consul { service = "web" }
			health { consul_fall = "30ms" }
		}`
	a := run(t, parse(t, text, consul.address, "1h"))
	a.until(t, "a up 13 10")
	eventually(t, "the other has it too", func() bool { return verdicts(a.explained(t, "soon")) == "a up 13 10" })
	consul.says(t, "a", "fail")
	a.until(t, "a up 14 10")
	eventually(t, "time alone counts", func() bool { return verdicts(a.explained(t, "soon")) == "a down 7 0" })
	if log := a.log.String(); !strings.Contains(log, "soon: backend judged anew") || !strings.Contains(log, "not for long enough to count yet") {
		t.Error("the log does not tell of the delay")
	}
	if err := a.Reload(parse(t, text, consul.address, "0s")); err != nil {
		t.Fatal(err)
	}
	a.until(t, "a down 7 0")
}

func TestPanic(t *testing.T) {
	consul := startConsul(t)
	var well atomic.Bool
	consul.checked(t, "a", healthy(t, true))
	for _, id := range []string{"b", "c"} {
		consul.checked(t, id, handler(t, func(w http.ResponseWriter, r *http.Request) {
			if !well.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
	}
	for _, id := range []string{"a", "b", "c"} {
		consul.says(t, id, "pass")
	}
	check := "check \"http\" { interval = \"10ms\" }\n"
	a, reload := judging(t, consul, check)
	picture := func(panic bool, usable int) func() bool {
		return func() bool {
			e := a.explained(t, "web")
			return e.Panic == panic && e.Usable == usable && len(e.Backends) == 3
		}
	}
	eventually(t, "all are used", picture(true, 3))
	reload(check + `panic = "off"`)
	eventually(t, "one is used", picture(false, 1))
	reload(check + `panic = "fail_closed"`)
	eventually(t, "none is used", picture(true, 0))
	if resp, _ := get(t, a.url("web")); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("closed, but answered %d", resp.StatusCode)
	}
	if e := a.explained(t, "web"); e.Ready || e.Reason != `only 1 of 3 backends are up, too few for panic = "fail_closed"` {
		t.Errorf("ready %v: %s", e.Ready, e.Reason)
	}
	well.Store(true)
	eventually(t, "all are up", picture(false, 3))
	log := a.log.String()
	for _, line := range []string{"using others too: usable=3", `refusing requests, as panic = "fail_closed" wants: usable=0`, "enough backends are up again"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %q", line)
		}
	}
}
