package lb

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func damping(share float64) Option {
	return WithHealth(Health{
		Ejection: health.Ejection{MaxShare: share},
		Damping:  health.Damping{Suppress: 3, Reuse: 1.5, HalfLife: time.Minute},
	})
}

// flap has the catalog call some of n servers critical, and take it back.
func flap(t *testing.T, b *Balancer, n, times int, who ...int) {
	t.Helper()
	for range times {
		for _, status := range []health.Status{health.Critical, health.Passing} {
			statuses := make([]health.Status, n)
			for i := range statuses {
				statuses[i] = health.Passing
			}
			for _, i := range who {
				statuses[i] = status
			}
			declare(t, b, statuses...)
		}
	}
}

func TestFlappingServersAreKeptOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Time
		b := New(RoundRobin(), damping(0.5), WithHooks(Hooks{Change: func(c Change) {
			if c.From.Rule == 18 && c.To.State == health.Up {
				back = time.Now()
			}
		}}))
		declare(t, b, health.Passing, health.Passing, health.Passing, health.Passing)
		flap(t, b, 4, 1, 0) // two changes
		if got := stateOf(t, b, "s0000"); got != health.Up {
			t.Fatalf("after two changes: %v", got)
		}
		flap(t, b, 4, 1, 0) // four, above three
		st, _ := b.ServerStats("s0000")
		if st.Verdict != (health.Verdict{State: health.Ejected, Rule: 18}) || st.Penalty != 4 || st.Dampings != 1 {
			t.Fatalf("after four: %+v, penalty %v", st.Verdict, st.Penalty)
		}
		if until := st.DampedUntil.UTC().Format(time.RFC3339); !strings.Contains(st.Reason, "flaps, until "+until) {
			t.Errorf("the reason is %q", st.Reason)
		}
		start := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		synctest.Wait()
		if got := picks(t, b, 12, 1); got["s0000"] != 0 {
			t.Errorf("picks while it is kept out: %v", got)
		}
		time.Sleep(time.Hour)
		stop()
		synctest.Wait()
		if got := back.Sub(start).Round(time.Second); got != 85*time.Second { // log2(4/1.5) half-lives
			t.Errorf("back after %v", got)
		}
	})
}

func TestDampingKeepsToTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(RoundRobin(), damping(0.5))
		flap(t, b, 4, 10, 0, 1, 2, 3)
		if s := b.Stats(); s.Healthy != 2 {
			t.Errorf("%d of 4 are up though at most half may be kept out", s.Healthy)
		}
		b = New(RoundRobin(), damping(1))
		flap(t, b, 2, 10, 0, 1)
		if s := b.Stats(); s.Healthy != 1 || s.Panic {
			t.Errorf("the last one up is kept out: %+v", s)
		}
		declare(t, b, health.Passing, health.Critical)
		declare(t, b, health.Critical, health.Passing)
		if _, err := b.Select(""); err != nil {
			t.Errorf("one that flaps is better than none, but: %v", err)
		}
	})
}

func TestWhatPeopleDoIsNotDamped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(RoundRobin(), damping(1))
		declare(t, b, health.Passing, health.Passing, health.Passing)
		for range 10 {
			for _, on := range []bool{true, false} {
				if err := b.SetDraining("s0000", on); err != nil {
					t.Fatal(err)
				}
				if err := b.SetHealthy("s0001", !on); err != nil {
					t.Fatal(err)
				}
			}
			declare(t, b, health.Passing, health.Passing, health.Maintenance)
			declare(t, b, health.Passing, health.Passing, health.Passing)
		}
		if s := b.Stats(); s.Healthy != 3 {
			t.Errorf("%d of 3 are up", s.Healthy)
		}
		flap(t, b, 3, 2, 2)
		if got := stateOf(t, b, "s0002"); got != health.Ejected {
			t.Fatalf("a server that flaps is %v", got)
		}
		if err := b.SetHealthy("s0002", true); err != nil {
			t.Fatal(err)
		}
		if st, _ := b.ServerStats("s0002"); st.Verdict.State != health.Up || st.Penalty != 0 {
			t.Errorf("marked healthy by hand it is %v", st.Verdict.State)
		}
		flap(t, b, 3, 2, 2)
		b.SetHealth(Health{})
		if s := b.Stats(); s.Healthy != 3 {
			t.Errorf("once damping is taken away %d of 3 are up", s.Healthy)
		}
	})
}

// The bound that health.Damping states holds for what hooks are told.
func TestDampingBoundsWhatIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := 0
		b := New(RoundRobin(), damping(1), WithHooks(Hooks{Change: func(c Change) {
			if c.Server.ID == "s0000" && (c.From.State == health.Up) != (c.To.State == health.Up) {
				shown++
			}
		}}))
		declare(t, b, health.Passing, health.Passing)
		shown = 0
		for range 360 {
			flap(t, b, 2, 1, 0)
			time.Sleep(10 * time.Second)
			b.Stats()
		}
		if bound := (health.Damping{Suppress: 3, Reuse: 1.5, HalfLife: time.Minute}).Bound(time.Hour); float64(shown) > bound || shown == 0 {
			t.Errorf("of 720 changes in an hour %d were shown, and the bound is %v", shown, bound)
		}
	})
}
