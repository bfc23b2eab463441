package agent

import (
	"strings"
	"testing"
)

func TestShadow(t *testing.T) {
	format := `
		upstream "web" {
			listen          = "127.0.0.1:0"
			strategy        = %q
			shadow_strategy = %q
			server "a" { address = %q }
			server "b" { address = %q }
		}`
	one, two := backend(t, "a"), backend(t, "b")
	a := run(t, parse(t, format, "round_robin", "", one, two))
	answers(t, a.url("web"), 4)
	if e := a.explained(t, "web"); e.Shadow != nil {
		t.Errorf("without a shadow: %+v", e.Shadow)
	}
	if _, text := get(t, a.url("admin")+"/metrics"); strings.Contains(text, "shadow") {
		t.Error("without a shadow there are metrics of it")
	}
	set := func(strategy, shadow string) {
		t.Helper()
		if err := a.Reload(parse(t, format, strategy, shadow, one, two)); err != nil {
			t.Fatal(err)
		}
	}
	set("round_robin", "first")
	if got := answers(t, a.url("web"), 10); got["a"] != 5 {
		t.Errorf("with a shadow answered %v", got)
	}
	var e Explanation
	eventually(t, "all has settled", func() bool {
		e = a.explained(t, "web")
		return e.Active == 0 && e.Backends[0].Active+e.Backends[1].Active == 0
	})
	s := e.Shadow
	if s == nil || s.Strategy != "first" || s.Picks != 10 || s.AgreedShare != .5 || s.Unplaced != 0 || e.Strategy != "round_robin" {
		t.Fatalf("explained as %+v", s)
	}
	if i := s.Imbalance; i.Picks != 1 || i.ShadowPicks != 2 || i.Load < 1 || i.Load > 2 || i.ShadowLoad != 2 {
		t.Errorf("imbalance %+v", i)
	}
	if x, y := e.Backends[0], e.Backends[1]; x.ShadowShare+y.ShadowShare != 1 || x.ShadowShare*y.ShadowShare != 0 || x.Share != .5 || x.ShadowActive != 0 {
		t.Errorf("backends %+v and %+v", x, y)
	}
	_, text := get(t, a.url("admin")+"/metrics")
	for _, want := range []string{
		`outrigger_shadow_picks_total{agreed="true",outrigger_upstream_name="web",strategy="first"} 5`,
		`outrigger_shadow_picks_total{agreed="false",outrigger_upstream_name="web",strategy="first"} 5`,
		`outrigger_shadow_imbalance{outrigger_upstream_name="web",strategy="first",type="picks"} 2`,
		`outrigger_shadow_imbalance{outrigger_upstream_name="web",strategy="round_robin",type="picks"} 1`,
		`outrigger_backend_shadow_requests_total{outrigger_backend_id="`,
		`outrigger_backend_share{outrigger_backend_id="a",outrigger_upstream_name="web"} 0.5`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}

	// What does not concern it leaves it alone; another strategy has it begin
	// anew, on either side.
	limited := strings.Replace(format, `server "a"`, "limits { max_requests_per_server = 9 }\nserver \"a\"", 1)
	if err := a.Reload(parse(t, limited, "round_robin", "first", one, two)); err != nil {
		t.Fatal(err)
	}
	if s := a.explained(t, "web").Shadow; s.Picks != 10 {
		t.Errorf("after a reload of a limit: %+v", s)
	}
	set("random", "first")
	if s := a.explained(t, "web").Shadow; s.Picks != 0 {
		t.Errorf("beside another strategy: %+v", s)
	}
	set("random", "ip_hash")
	answers(t, a.url("web"), 3)
	if e := a.explained(t, "web"); e.Shadow.Strategy != "ip_hash" || e.Shadow.Picks != 3 || e.Backends[0].ShadowShare+e.Backends[1].ShadowShare != 1 {
		t.Errorf("another shadow: %+v", e)
	}
	set("random", "")
	if e := a.explained(t, "web"); e.Shadow != nil || e.Backends[0].Requests+e.Backends[1].Requests != 17 {
		t.Errorf("without one again: %+v", e)
	}
}

// hash_on is the key of a shadow too.
func TestShadowKey(t *testing.T) {
	a := run(t, parse(t, `
		upstream "web" {
			listen          = "127.0.0.1:0"
			shadow_strategy = "consistent_hash"
			hash_on         = "path"
			server "a" { address = %q }
			server "b" { address = %q }
			server "c" { address = %q }
		}`, backend(t, "a"), backend(t, "b"), backend(t, "c")))
	answers(t, a.url("web")+"/key", 9)
	var shares []float64
	for _, b := range a.explained(t, "web").Backends {
		shares = append(shares, b.ShadowShare)
	}
	if shares[0]+shares[1]+shares[2] != 1 || max(shares[0], shares[1], shares[2]) != 1 {
		t.Errorf("the one key would have gone to %v", shares)
	}
}
