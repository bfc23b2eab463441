package health

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDampingInNumbers(t *testing.T) {
	d := Damping{Suppress: 3, Reuse: 1, HalfLife: time.Minute, Max: time.Hour}
	var f Flaps
	start := time.Now()
	for i, want := range []bool{false, false, false, true} {
		if got := f.Change(d, start); got != want {
			t.Errorf("change %d: suppress %v", i+1, got)
		}
	}
	f.Suppress(d, start)
	if got := f.Until().Sub(start); got != 2*time.Minute { // from 4 to 1 in two half-lives
		t.Errorf("out for %v", got)
	}
	f.Change(d, start.Add(time.Minute)) // 2 left, and 1 more: a little over one and a half half-lives
	if got := f.Until().Sub(start).Round(time.Second); got != 155*time.Second {
		t.Errorf("after one more change it is out for %v", got)
	}
	f.Settle(d, start.Add(154*time.Second))
	if f.Until().IsZero() {
		t.Error("let in too early")
	}
	f.Settle(d, start.Add(156*time.Second))
	if got := f.Penalty(d, start.Add(156*time.Second)); !f.Until().IsZero() || got > 1 || got < 0.9 {
		t.Errorf("let in: %v, with a penalty of %v", f.Until().IsZero(), got)
	}
	for range 1000 {
		f.Change(d, start)
	}
	f.Suppress(d, start)
	if got := f.Until().Sub(start); got > d.Max {
		t.Errorf("out for %v, though at most %v", got, d.Max)
	}
	f.Settle(d, start.Add(time.Hour))
	if got := f.Penalty(d, start.Add(time.Hour)); got > d.Reuse {
		t.Errorf("let in with a penalty of %v", got)
	}
}

func TestDampingDefaults(t *testing.T) {
	for give, want := range map[Damping]Damping{
		{}:                         {},
		{Reuse: 1}:                 {},
		{Suppress: math.NaN()}:     {},
		{Suppress: 6}:              {6, 3, 10 * time.Minute, 40 * time.Minute},
		{Suppress: 6, Reuse: 7}:    {6, 3, 10 * time.Minute, 40 * time.Minute},
		{4, 1, time.Second, 5}:     {4, 1, time.Second, 5},
		{Suppress: 4, HalfLife: 3}: {4, 2, 3, 12},
	} {
		if got := give.WithDefaults(); got != want {
			t.Errorf("%+v becomes %+v, want %+v", give, got, want)
		}
	}
}

// Nobody sees more changes than the bound allows, whatever a server does.
func TestDampingKeepsItsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Damping{
			Suppress: rapid.Float64Range(1, 12).Draw(t, "suppress"),
			HalfLife: time.Duration(rapid.IntRange(1, 600).Draw(t, "half-life")) * time.Second,
			Max:      time.Duration(rapid.IntRange(0, 1200).Draw(t, "max")) * time.Second,
		}
		d.Reuse = d.Suppress * rapid.Float64Range(0.05, 0.95).Draw(t, "reuse")
		d = d.WithDefaults()
		// A change comes after a part of a half-life that is drawn once, or each time.
		parts := rapid.SampledFrom([]float64{0.001, 0.02, 0.1, 0.2, 0.3, 0.5, 1, 3})
		steady, part := rapid.Bool().Draw(t, "steady"), parts.Draw(t, "part")
		now := time.Unix(0, 0)
		up, shown := true, true
		var f Flaps
		var seen []time.Time
		show := func() {
			f.Settle(d, now)
			if is := up && f.Until().IsZero(); is != shown {
				shown = is
				seen = append(seen, now)
			}
		}
		for range 300 {
			if !steady {
				part = parts.Draw(t, "part")
			}
			next := now.Add(time.Duration(part * float64(d.HalfLife)))
			if until := f.Until(); !until.IsZero() && until.Before(next) {
				now = until
				show()
			}
			now = next
			f.Settle(d, now)
			up = !up
			if f.Change(d, now) {
				f.Suppress(d, now)
			}
			show()
		}
		for i := range seen {
			for j := i; j < len(seen); j++ {
				if n, in := j-i+1, seen[j].Sub(seen[i]); float64(n) > d.Bound(in)+1e-6 {
					t.Fatalf("%+v: %d changes in %v, and the bound is %v", d, n, in, d.Bound(in))
				}
			}
		}
	})
}

// A server that is never kept out changes as often as it likes, below the
// rate that decays.
func TestDampingLeavesSlowChangesAlone(t *testing.T) {
	d := Damping{Suppress: 6}.WithDefaults()
	var f Flaps
	now := time.Now()
	for range 1000 {
		now = now.Add(4 * time.Minute) // the penalty settles at 1/(1-2^-0.4), or 4.1
		if f.Change(d, now) {
			t.Fatalf("kept out at a penalty of %v", f.Penalty(d, now))
		}
	}
}

func ExampleDamping_Bound() {
	d := Damping{Suppress: 6, HalfLife: 10 * time.Minute}
	fmt.Println("in an hour", d.Bound(time.Hour), "changes, in a day", d.Bound(24*time.Hour))
	// Output:
	// in an hour 38 changes, in a day 728
}
