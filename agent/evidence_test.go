package agent

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Explain has every witness, and what it would take for another verdict.
func TestExplainTellsAll(t *testing.T) {
	consul := startConsul(t)
	consul.checked(t, "lame", handler(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no disk", http.StatusInternalServerError)
	}))
	consul.says(t, "lame", "pass")
	consul.checked(t, "sick", healthy(t, true))
	a := run(t, parse(t, `
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { service = "web" }
			health {
				merge = "probe"
				check "http" { interval = "50ms" } # which is its timeout too
			}
		}
		upstream "static" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "dead" { address = "127.0.0.1:1" }
			server "good" { address = %q }
			health {
				ejection { consecutive_failures = 1 }
			}
		}`, consul.address, backend(t, "good")))
	a.until(t, "lame down 4 0, sick up 16 10")
	var e Explanation
	eventually(t, "there is a history", func() bool { e = a.explained(t, "web"); return len(e.Backends[0].Probe.History) == 10 })
	lame, sick := e.Backends[0], e.Backends[1]
	if e.Merge != "probe" || !slices.Equal(lame.WouldChange, []string{"up when its probe passes 2 times in a row"}) {
		t.Errorf("by %s, %q", e.Merge, lame.WouldChange)
	}
	if !slices.Contains(sick.WouldChange, "down when its probe fails 3 times in a row") {
		t.Errorf("%q", sick.WouldChange)
	}
	history := lame.Probe.History
	for i, r := range history {
		if r.Good || r.Output != "500 Internal Server Error no disk" || r.Took <= 0 || time.Since(r.At) > time.Minute || i > 0 && r.At.Before(history[i-1].At) {
			t.Errorf("probe %d: %+v", i, r)
		}
	}
	if !lame.Catalog.Against.IsZero() || time.Since(sick.Catalog.Against) > time.Minute {
		t.Errorf("against since %v and %v", lame.Catalog.Against, sick.Catalog.Against)
	}

	for range 2 {
		get(t, a.url("static"))
	}
	dead := a.explained(t, "static").Backends[0]
	if dead.Rule != 5 || dead.EjectionLeft <= 0 || dead.EjectionLeft > 30 || len(dead.WouldChange) == 0 || !strings.HasPrefix(dead.WouldChange[0], "up when its ejection ends in ") {
		t.Errorf("ejected: %+v", dead)
	}
	// What there is nothing of is a list without anything in it, for those who read it by program.
	_, body := get(t, a.url("admin")+"/v1/upstreams/static")
	if !json.Valid([]byte(body)) || !strings.Contains(body, `"history": []`) || strings.Contains(body, "null") {
		t.Errorf("explained as %s", body)
	}
}
