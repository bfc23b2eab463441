package lb

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func explained(t *testing.T, b *Balancer, id string) Explanation {
	t.Helper()
	for _, e := range b.Explain() {
		if e.Server.ID == id {
			return e
		}
	}
	t.Fatalf("no server %q", id)
	return Explanation{}
}

func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		h := ejecting(3, 30*time.Second, time.Minute, 1)
		h.Policy = health.Policy{CatalogFall: 10 * time.Second}
		h.Check = &health.Check{Interval: time.Second, Rise: 2, Fall: 3, Prober: proberFunc(func(address string) error {
			if sick.Load() && address == servers(1)[0].Address {
				return errors.New("sick")
			}
			return nil
		})}
		b := New(RoundRobin(), WithHealth(h))
		declare(t, b, health.Passing, health.Passing, health.Passing)
		stop := running(t, b.Run)
		settle(20 * time.Second)
		e := explained(t, b, "s0000")
		if len(e.History) != 10 || !e.History[9].Good || e.History[9].At.Before(e.History[0].At) || e.Evidence.Probe != health.ProbeUp {
			t.Errorf("history %+v, evidence %+v", e.History, e.Evidence)
		}
		want := []string{"down when its probe fails 3 times in a row", "down when the catalog says critical for 10s", "ejected when 3 requests in a row fail"}
		if !slices.Equal(e.WouldChange, want) {
			t.Errorf("up, it would be %q", e.WouldChange)
		}
		fail(b, "s0000", 2)
		if e := explained(t, b, "s0000"); e.WouldChange[2] != "ejected when the next request fails" {
			t.Errorf("after two failures it would be %q", e.WouldChange)
		}
		fail(b, "s0001", 3)
		if e := explained(t, b, "s0001"); !slices.Equal(e.WouldChange, []string{"up when its ejection ends in 30s", "up when its probe passes 2 times in a row"}) {
			t.Errorf("ejected, it would be %q", e.WouldChange)
		}
		sick.Store(true)
		settle(6 * time.Second)
		e = explained(t, b, "s0000")
		if e.History[9].Good || e.History[9].Output != "sick" || !slices.Equal(e.WouldChange, []string{"up when its probe passes 2 times in a row"}) {
			t.Errorf("down, it would be %q, after %+v", e.WouldChange, e.History)
		}
		stop()
		sick.Store(false)
		declare(t, b, health.Passing, health.Passing, health.Critical)
		settle(4 * time.Second)
		if e := explained(t, b, "s0002"); e.Verdict.Rule != 14 || !slices.Contains(e.WouldChange, "down when the catalog still says so in 6s") {
			t.Errorf("it would be %q by rule %d", e.WouldChange, e.Verdict.Rule)
		}
		if err := b.SetDraining("s0000", true); err != nil {
			t.Fatal(err)
		}
		if e := explained(t, b, "s0000"); !slices.Equal(e.WouldChange, []string{"down when it is no longer drained by hand"}) {
			t.Errorf("drained, it would be %q", e.WouldChange)
		}
		if err := b.Remove("s0002"); err != nil {
			t.Fatal(err)
		}
		all := b.Explain()
		if last := all[len(all)-1]; last.Server.ID != "s0002" || len(all) != 3 || !slices.Equal(last.WouldChange, []string{"up when the catalog lists it again"}) {
			t.Errorf("%d are explained, the last is %s: %q", len(all), last.Server.ID, last.WouldChange)
		}
	})
}

func TestExplainDampingAndPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(RoundRobin(), damping(1))
		declare(t, b, health.Passing, health.Passing)
		flap(t, b, 2, 2, 0)
		e := explained(t, b, "s0000")
		if !slices.Equal(e.WouldChange, []string{"up when it has settled in 1m25s"}) || e.Penalty != 4 || time.Until(e.DampedUntil).Round(time.Second) != 85*time.Second {
			t.Errorf("it would be %q; penalty %v until %v", e.WouldChange, e.Penalty, e.DampedUntil)
		}
		b.SetHealth(Health{Check: &health.Check{Prober: proberFunc(func(string) error { return nil })}})
		if err := b.SetHealthy("s0000", true); err != nil {
			t.Fatal(err)
		}
		if err := b.Add(Server{ID: "new", Address: "n:1"}); err != nil {
			t.Fatal(err)
		}
		if e := explained(t, b, "new"); !slices.Equal(e.WouldChange, []string{"up when its probe passes", "up when no other server is up"}) {
			t.Errorf("%v, it would be %q", e.Verdict.State, e.WouldChange)
		}
	})
}
