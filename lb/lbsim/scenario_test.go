package main

import (
	"testing"
)

// few makes a scenario short.
func few(m *model) { m.requests, m.warmup = 50_000, 5000 }

func specialOf(t *testing.T, r result) share {
	t.Helper()
	s, ok := r.special()
	if !ok {
		t.Fatal("nothing is special")
	}
	return s
}

func TestOneSlow(t *testing.T) {
	m := named(t, "one_slow")
	near(t, "rate", m.rate(), 0.8*910, 0.001)
	s := specialOf(t, must(t, m, "round_robin", few))
	near(t, "the slow server's utilisation", s.utilisation, 1, 0.001)
	near(t, "its picks", s.picked, 0.1, 0.01)
}

func TestOneFailing(t *testing.T) {
	m := named(t, "one_failing")
	near(t, "rate", m.rate(), 0.8*900, 0.001)
	r := must(t, m, "round_robin", few)
	near(t, "failures", r.failedPart(), 0.1, 0.001)
	if r.failedTook != (quantiles{failure, failure, failure, failure}) {
		t.Errorf("failures take %v", r.failedTook)
	}
	if r.refused != 0 {
		t.Errorf("%d requests found no room", r.refused)
	}
	if s := specialOf(t, r); s.utilisation != 0 {
		t.Errorf("the failing server works: %g", s.utilisation)
	}
	if r := must(t, m, jsq, few); r.failed > 0 {
		t.Errorf("jsq does not know which server fails: %d failures", r.failed)
	}
	ejected := must(t, m, "round_robin", func(m *model) { few(m); m.ejection = true })
	if ejected.failedPart() > 0.01 {
		t.Errorf("with ejection %.1f%% fail", 100*ejected.failedPart())
	}
}

func TestOneStalls(t *testing.T) {
	equal := must(t, named(t, "equal"), "round_robin", few)
	stalls := must(t, named(t, "one_stalls"), "round_robin", few)
	if stalls.took.p99 < 3*equal.took.p99 {
		t.Errorf("p99 %v, and %v where nothing stalls", stalls.took.p99, equal.took.p99)
	}
	near(t, "utilisation, in which stalls do not count", specialOf(t, stalls).utilisation, 0.8, 0.05)
}

func TestTurnsSlow(t *testing.T) {
	equal := must(t, named(t, "equal"), jsqBlind, few)
	turns := must(t, named(t, "turns_slow"), jsqBlind, few)
	if s := specialOf(t, turns); s.picked > 0.09 || s.picked < 0.05 {
		t.Errorf("the server that is slow at times gets %.1f%%", 100*s.picked)
	}
	if turns.took.p999 < equal.took.p999*3/2 {
		t.Errorf("p999 %v, and %v where nothing is slow", turns.took.p999, equal.took.p999)
	}
}

func TestWeights(t *testing.T) {
	r := must(t, named(t, "weights"), "round_robin", few)
	near(t, "rate", named(t, "weights").rate(), 0.8*2200, 0.001)
	for _, s := range r.servers {
		near(t, s.id+"'s picks", s.picked, s.due, 0.005)
		near(t, s.id+"'s utilisation", s.utilisation, 0.8, 0.05)
	}
	near(t, "due to the heaviest over due to the lightest", r.servers[2].due, 4*r.servers[0].due, 0.001)
}

func TestJoins(t *testing.T) {
	m := named(t, "joins")
	early := must(t, m, "round_robin", func(m *model) { m.requests, m.warmup = 10_000, 0 })
	if s := specialOf(t, early); s.picked != 0 || s.due != 0 {
		t.Errorf("before it joins it gets %g and is due %g", s.picked, s.due)
	}
	for _, strategy := range []string{"round_robin", jsq, jsqBlind} {
		if s := specialOf(t, must(t, m, strategy, few)); s.picked < 0.05 {
			t.Errorf("%s: once it joined it gets %g", strategy, s.picked)
		}
	}
	blunt := must(t, m, "round_robin", few)
	gently := must(t, named(t, "joins_gently"), "round_robin", few)
	if gently.took.p99 > blunt.took.p99/2 {
		t.Errorf("p99 %v with slow start, %v without", gently.took.p99, blunt.took.p99)
	}
	if specialOf(t, gently).picked > 0.95*specialOf(t, blunt).picked {
		t.Error("with slow start it gets as much as without")
	}
}

func TestHotKey(t *testing.T) {
	m := named(t, "hot_key")
	hot := must(t, m, "consistent_hash", few)
	even := must(t, m, "consistent_hash", func(m *model) { few(m); m.keys.exponent = 0 })
	bound := must(t, m, bounded, few)
	if hot.overDue() < 1.5 || even.overDue() > 1.2 || bound.overDue() > 1.35 {
		t.Errorf("picks over due: %.2f with a hot key, %.2f without, %.2f with bounded loads", hot.overDue(), even.overDue(), bound.overDue())
	}
}

func TestFirstHasALimit(t *testing.T) {
	r := must(t, named(t, "equal"), "first", few)
	if r.refused == 0 || r.refused != r.failed {
		t.Errorf("%d of %d failures found no room", r.refused, r.failed)
	}
	// Four requests wait or are served at once, in the order in which they came.
	if most := 4 * 20 * plain().service; r.took.p999 > most {
		t.Errorf("p999 %v", r.took.p999)
	}
	for i, s := range r.servers[1:] {
		if s.picked > r.servers[i].picked*1.05 {
			t.Errorf("%s gets more than the one before it", s.id)
		}
	}
}
