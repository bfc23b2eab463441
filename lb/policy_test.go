package lb

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func declare(t *testing.T, b *Balancer, statuses ...health.Status) {
	t.Helper()
	set := servers(len(statuses))
	for i := range set {
		set[i].Declared = health.Declaration{Status: statuses[i], WarningWeight: 1}
	}
	if err := b.Replace(set); err != nil {
		t.Fatal(err)
	}
}

// The catalog's critical counts by time alone, with nothing that asks.
func TestCatalogFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down time.Time
		b := New(RoundRobin(), WithHealth(Health{Policy: health.Policy{CatalogFall: 10 * time.Second}}), WithHooks(Hooks{Change: func(c Change) {
			if c.From.State == health.Up && c.To.State == health.Down {
				down = time.Now()
			}
		}}))
		declare(t, b, health.Passing, health.Passing, health.Critical)
		if got := stateOf(t, b, "s0002"); got != health.Down {
			t.Errorf("one that comes critical is %v", got)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		synctest.Wait()
		blip := time.Now()
		declare(t, b, health.Passing, health.Critical, health.Critical)
		time.Sleep(9 * time.Second)
		st, _ := b.ServerStats("s0001")
		if st.Verdict.State != health.Up || st.Verdict.Rule != 14 || !st.AgainstSince.Equal(blip) {
			t.Errorf("within the delay: %+v since %v: %s", st.Verdict, st.AgainstSince, st.Reason)
		}
		declare(t, b, health.Passing, health.Passing, health.Critical) // a blip, as of an agent that restarts
		start := time.Now()
		declare(t, b, health.Maintenance, health.Critical, health.Critical)
		if got := stateOf(t, b, "s0000"); got != health.Draining {
			t.Errorf("maintenance waits: %v", got)
		}
		time.Sleep(5 * time.Second)
		declare(t, b, health.Maintenance, health.Missing, health.Critical) // is no word for it
		declare(t, b, health.Maintenance, health.NodeCritical, health.Critical)
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		if got := down.Sub(start); got != 10*time.Second {
			t.Errorf("went down after %v", got)
		}
	})
}

// Where nothing runs, a selection itself sees that the time has passed.
func TestCatalogFallWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(RoundRobin(), WithHealth(Health{Policy: health.Policy{CatalogFall: 10 * time.Second}}))
		declare(t, b, health.Passing, health.Passing)
		declare(t, b, health.Passing, health.Critical)
		if got := picks(t, b, 10, 1); got["s0001"] != 5 {
			t.Errorf("within the delay picks are %v", got)
		}
		time.Sleep(10 * time.Second)
		if got := picks(t, b, 10, 1); got["s0000"] != 10 {
			t.Errorf("after it they are %v", got)
		}
	})
}

func TestFailClosedRefuses(t *testing.T) {
	b := New(RoundRobin(), WithHealth(Health{Policy: health.Policy{PanicThreshold: 0.5, FailClosed: true}}))
	declare(t, b, health.Passing, health.Critical, health.Critical)
	if _, err := b.Select(""); !errors.Is(err, ErrNoHealthy) {
		t.Errorf("one of three is up: %v", err)
	}
	if s := b.Stats(); !s.Panic || s.Healthy != 1 || s.Usable != 0 {
		t.Errorf("stats are %+v", s)
	}
	declare(t, b, health.Passing, health.Passing, health.Critical)
	if _, err := b.Select(""); err != nil {
		t.Errorf("two of three are up: %v", err)
	}
}

func TestAlgebraAndWarningsReachTheBalancer(t *testing.T) {
	for algebra, want := range map[health.Algebra]health.State{
		health.MergeWorst: health.Down, health.MergeCatalog: health.Up, health.MergeProbe: health.Down, health.MergeAny: health.Up,
	} {
		b := New(RoundRobin(), WithHealth(Health{Policy: health.Policy{Algebra: algebra, Warnings: health.WarningPassing}}))
		declare(t, b, health.Passing, health.Warning)
		if err := b.SetHealthy("s0000", false); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, b, "s0000"); got != want {
			t.Errorf("by %v a server that passes and whose probe fails is %v", algebra, got)
		}
		if got := stateOf(t, b, "s0001"); got != health.Up {
			t.Errorf("by %v a warning that passes is %v", algebra, got)
		}
	}
}
