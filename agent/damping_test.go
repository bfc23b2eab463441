package agent

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestDamping(t *testing.T) {
	consul := startConsul(t)
	var well atomic.Bool
	well.Store(true)
	consul.checked(t, "flaps", handler(t, func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	consul.checked(t, "good", healthy(t, true))
	consul.says(t, "flaps", "pass")
	consul.says(t, "good", "pass")
	check := `check "http" {
		interval = "10ms"
		rise     = 1
		fall     = 1
	}
	`
	a, reload := judging(t, consul, check+`damping {
		suppress  = 2
		half_life = "1h"
	}`)
	if e := a.until(t, "flaps up 13 10, good up 13 10"); e.Backends[0].Damping != nil {
		t.Errorf("damping %+v of one that never flapped", e.Backends[0].Damping)
	}
	well.Store(false)
	a.until(t, "flaps down 4 0, good up 13 10")
	well.Store(true)
	a.until(t, "flaps up 13 10, good up 13 10")
	well.Store(false)
	a.until(t, "flaps down 4 0, good up 13 10")
	well.Store(true)
	e := a.until(t, "flaps ejected 18 0, good up 13 10")
	b := e.Backends[0]
	if d := b.Damping; d == nil || d.Times != 1 || d.Penalty <= 2 || d.Penalty >= 4 || time.Until(d.Until) < time.Hour {
		t.Errorf("damping %+v", d)
	}
	if !b.Until.IsZero() || b.Ejections != 0 || !strings.HasPrefix(b.Reason, "kept out because it flaps, until ") || b.Usable {
		t.Errorf("explained as %+v", b)
	}
	if log := a.log.String(); !strings.Contains(log, "to=ejected weight=0 rule=18") || !strings.Contains(log, "penalty=4 until=") {
		t.Error("the log does not tell of damping")
	}
	if _, text := get(t, a.url("admin")+"/metrics"); !strings.Contains(text, `outrigger_ejections_total{outrigger_upstream_name="web",reason="flapping"} 1`) {
		t.Errorf("the metrics do not tell of damping")
	}
	reload(check)
	if e := a.until(t, "flaps up 13 10, good up 13 10"); e.Backends[0].Damping.Penalty != 0 || e.Backends[0].Damping.Times != 1 {
		t.Errorf("without damping: %+v", e.Backends[0].Damping)
	}
}
