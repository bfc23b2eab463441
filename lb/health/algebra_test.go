package health

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// everything is every combination of evidence, delay and damping included,
// under every policy of a kind.
func everything(yield func(p Policy, e Evidence, peerUp bool)) {
	for warnings := WarningReduced; warnings <= WarningOut; warnings++ {
		for _, fall := range []time.Duration{0, time.Minute} {
			p := Policy{Warnings: warnings, CatalogFall: fall}
			combinations(func(e Evidence, peerUp bool) {
				for bits := range 4 {
					e.Damped, e.Against = bits&1 != 0, time.Duration(bits>>1)*time.Minute
					yield(p, e, peerUp)
				}
			})
		}
	}
}

func with(p Policy, a Algebra) Policy {
	p.Algebra = a
	return p
}

// algebraTables are the specification of the algebras that are not worst, for
// evidence that neither rules 1 to 3 nor 18 decide. The first row whose
// condition holds decides; "as worst" stands for what MergeWorst says, and
// "blind" for what it says of the same evidence without a probe.
var algebraTables = map[Algebra][]struct {
	when    func(p Policy, e Evidence) bool
	verdict string // as worst, blind, or a state and weight
	rule    int    // 0: the rule of that
}{
	MergeCatalog: {
		{func(_ Policy, e Evidence) bool { return e.Ejected }, "ejected", 5},
		{func(p Policy, e Evidence) bool {
			e.Probe = Unprobed
			return p.early(e) && atOnce(p).Merge(e, false).State == Down
		}, "kept", 14},
		{func(_ Policy, e Evidence) bool { return e.Declared.Status.critical() && e.Freshness == Fresh }, "down", 7},
		{func(_ Policy, e Evidence) bool { return e.Declared.Status.critical() && decided(e) }, "down", 15},
		{func(_ Policy, e Evidence) bool { return e.Declared.Status.critical() }, "down", 9},
		{func(_ Policy, e Evidence) bool { return e.Freshness == Expired && decided(e) }, "blind", 15},
		{func(_ Policy, e Evidence) bool { return e.Freshness == Expired }, "blind", 10},
		{func(_ Policy, e Evidence) bool { return e.Declared.Status == Warning }, "blind", 12},
		{func(_ Policy, e Evidence) bool { return e.Probe == ProbeDown }, "full", 15},
		{func(Policy, Evidence) bool { return true }, "full", 13},
	},
	MergeProbe: {
		{func(_ Policy, e Evidence) bool { return e.Probe == ProbeDown }, "down", 4},
		{func(_ Policy, e Evidence) bool { return e.Ejected }, "ejected", 5},
		{func(_ Policy, e Evidence) bool {
			return e.Probe == ProbeUp && (e.Declared.Status == Passing || e.Declared.Status == Undeclared)
		}, "full", 13},
		{func(_ Policy, e Evidence) bool { return e.Probe == ProbeUp }, "full", 16},
		{func(Policy, Evidence) bool { return true }, "as worst", 0},
	},
	MergeAny: {
		{func(p Policy, e Evidence) bool { return e.Ejected && (speaksFor(p, e) || e.Probe != ProbeDown) }, "ejected", 5},
		{func(p Policy, e Evidence) bool {
			return p.early(e) && atOnce(p).Merge(e, false).State == Down && (e.Probe == ProbeDown && speaksFor(p, e) || !decided(e))
		}, "kept", 14},
		{func(p Policy, e Evidence) bool { return e.Probe == ProbeDown && speaksFor(p, e) }, "reduced", 17},
		{func(p Policy, e Evidence) bool { return e.Probe == Unproven && speaksFor(p, e) }, "blind", 0},
		{func(p Policy, e Evidence) bool {
			return e.Probe == ProbeUp && p.SpeaksAgainst(e.Declared) && e.Declared.Status == Warning
		}, "reduced", 17},
		{func(_ Policy, e Evidence) bool { return e.Probe == ProbeUp && e.Declared.Status == NodeCritical }, "reduced", 6},
		{func(_ Policy, e Evidence) bool {
			return e.Probe == ProbeUp && e.Declared.Status == Critical && e.Freshness == Fresh
		}, "reduced", 17},
		{func(Policy, Evidence) bool { return true }, "as worst", 0},
	},
}

// atOnce is p without a delay, and without an algebra.
func atOnce(p Policy) Policy { return Policy{Warnings: p.Warnings} }

func decided(e Evidence) bool { return e.Probe == ProbeUp || e.Probe == ProbeDown }

// speaksFor says when the catalog's word is one for a server: it says so, and
// not too long ago, or has taken that back only just now.
func speaksFor(p Policy, e Evidence) bool {
	if e.Freshness == Expired {
		return false
	}
	if p.early(e) || p.SpeaksAgainst(e.Declared) {
		return p.early(e)
	}
	return e.Declared.Status == Passing || e.Declared.Status == Warning
}

func TestEachAlgebraIsItsTable(t *testing.T) {
	seen := make(map[int]bool)
	everything(func(p Policy, e Evidence, peerUp bool) {
		worst := p.Merge(e, peerUp)
		seen[worst.Rule] = true
		for algebra, table := range algebraTables {
			got := with(p, algebra).Merge(e, peerUp)
			seen[got.Rule] = true
			if got.Reason(e) == "" || strings.Contains(got.Reason(e), "not judged") {
				t.Fatalf("no reason for %+v", got)
			}
			if worst.Rule <= 3 {
				if got != worst {
					t.Fatalf("%v overrides rule %d: %+v", algebra, worst.Rule, got)
				}
				continue
			}
			if e.Damped {
				e.Damped = false
				without := with(p, algebra).Merge(e, peerUp)
				e.Damped = true
				want := without
				if without.State == Up || without.State == Pending {
					want = Verdict{State: Ejected, Rule: 18}
				}
				if got != want {
					t.Fatalf("%v damps %+v to %+v", algebra, without, got)
				}
				continue
			}
			blind := e
			blind.Probe = Unprobed
			for i, row := range table {
				if !row.when(p, e) {
					continue
				}
				var want Verdict
				switch row.verdict {
				case "as worst":
					want = worst
				case "blind":
					want = p.Merge(blind, false)
				case "kept":
					want = e.Before
				case "down":
					want.State = Down
				case "ejected":
					want.State = Ejected
				case "full":
					want = Verdict{State: Up, Weight: max(1, e.Weight)}
				case "reduced":
					want = Verdict{State: Up, Weight: max(1, e.Declared.WarningWeight)}
				}
				if row.rule != 0 {
					want.Rule = row.rule
				}
				if got != want {
					t.Fatalf("%v, row %d, %+v of %+v, peerUp %v\n got %+v\nwant %+v", algebra, i+1, p, e, peerUp, got, want)
				}
				break
			}
		}
	})
	for rule := 1; rule <= 18; rule++ {
		if !seen[rule] {
			t.Errorf("no combination matches rule %d", rule)
		}
	}
}

// good orders states by whether a server gets requests, and may in a panic.
func good(s State) int {
	return map[State]int{Up: 2, Pending: 1, Down: 1, Ejected: 1, Draining: 0, Unseen: 0}[s]
}

// odd is where the table itself is not in order: a warning that takes out does
// so whatever the probe says (12), as a stale or a node's critical does not (6,
// 8), nor a warning that has expired and that no probe contradicts (10).
func odd(p Policy, e Evidence) bool {
	return e.Declared.Status == Warning && p.SpeaksAgainst(e.Declared)
}

func TestAlgebrasAgreeWhereTheyMust(t *testing.T) {
	everything(func(p Policy, e Evidence, peerUp bool) {
		of := make(map[Algebra]Verdict)
		for a := MergeWorst; a <= MergeAny; a++ {
			v := with(p, a).Merge(e, peerUp)
			of[a] = v
			if s := e.Declared.Status; (s == Maintenance || s == Absent) != (v.State == Draining) {
				t.Fatalf("%v of %+v is %+v", a, e, v)
			}
			if e.Ejected && v.State == Up && v.Rule != 3 {
				t.Fatalf("%v has an ejected server up: %+v", a, v)
			}
			if e.Probe == Unprobed && a != MergeWorst && v != of[MergeWorst] {
				t.Fatalf("without a probe %v differs: %+v, not %+v", a, v, of[MergeWorst])
			}
		}
		worst, catalog, probe, either := good(of[MergeWorst].State), good(of[MergeCatalog].State), good(of[MergeProbe].State), good(of[MergeAny].State)
		if worst > max(catalog, probe) && e.Declared.Status != NodeCritical || worst < min(catalog, probe) && !odd(p, e) {
			t.Fatalf("worst is not between: %+v of %+v, %v", of, e, peerUp)
		}
		if worst > either || probe > either {
			t.Fatalf("any is worse than one of the others: %+v of %+v, %v", of, e, peerUp)
		}
		if hasWord := e.Declared.Status != Undeclared && e.Freshness != Expired; catalog > either && hasWord {
			t.Fatalf("any is worse than the catalog: %+v of %+v, %v", of, e, peerUp)
		}
	})
}

// Better evidence never gives a worse state, whatever the algebra.
func TestBetterEvidenceNeverHarms(t *testing.T) {
	betterProbe := map[ProbeStatus]ProbeStatus{ProbeDown: Unproven, Unproven: Unprobed, Unprobed: ProbeUp}
	betterStatus := map[Status]Status{Absent: Critical, Maintenance: Critical, Critical: NodeCritical, NodeCritical: Warning, Warning: Passing, Undeclared: Passing}
	everything(func(p Policy, e Evidence, peerUp bool) {
		var better []Evidence
		add := func(change func(e *Evidence)) {
			b := e
			change(&b)
			better = append(better, b)
		}
		if s, ok := betterStatus[e.Declared.Status]; ok {
			add(func(e *Evidence) { e.Declared.Status = s })
		}
		if s, ok := betterProbe[e.Probe]; ok {
			add(func(e *Evidence) { e.Probe = s })
		}
		add(func(e *Evidence) { e.Ejected = false })
		add(func(e *Evidence) { e.Damped = false })
		add(func(e *Evidence) { e.Against = 0 })
		add(func(e *Evidence) { e.Declared.WarningWeight++ })
		if e.Declared.Status != Missing {
			add(func(e *Evidence) { e.Before = Verdict{State: Up, Rule: 13, Weight: 1} })
		}
		for a := MergeWorst; a <= MergeAny; a++ {
			p := with(p, a)
			v := p.Merge(e, peerUp)
			for _, b := range better {
				if w := p.Merge(b, peerUp); good(w.State) < good(v.State) && !odd(p, b) {
					t.Fatalf("%v makes %+v of %+v\nbut %+v of %+v", a, v, e, w, b)
				}
			}
			if w := p.Merge(e, false); good(w.State) < good(v.State) {
				t.Fatalf("%v makes %+v of %+v only while others are up", a, v, e)
			}
		}
	})
}

// The same evidence again changes nothing: a pool may be judged at any time.
func TestJudgingAgainChangesNothing(t *testing.T) {
	everything(func(p Policy, e Evidence, peerUp bool) {
		for a := MergeWorst; a <= MergeAny; a++ {
			p := with(p, a)
			e := e
			first := p.Merge(e, peerUp)
			e.Before = first
			if again := p.Merge(e, peerUp); good(again.State) != good(first.State) || again.State == Up && again != first {
				t.Fatalf("%v of %+v is %+v, and then %+v", a, e, first, again)
			}
		}
	})
}

func TestTextForms(t *testing.T) {
	for _, word := range []string{"worst", "catalog", "probe", "any"} {
		var a Algebra
		if err := a.UnmarshalText([]byte(word)); err != nil || a.String() != word {
			t.Errorf("%q is read as %v, %v", word, a, err)
		}
	}
	for _, word := range []string{"reduced", "passing", "out"} {
		var w Warnings
		if err := w.UnmarshalText([]byte(word)); err != nil {
			t.Error(err)
		}
		if text, err := w.MarshalText(); string(text) != word || err != nil {
			t.Errorf("%q is written %q, %v", word, text, err)
		}
	}
	a := MergeProbe
	if err := a.UnmarshalText([]byte("best")); err == nil || a != MergeProbe || !strings.Contains(err.Error(), "worst, catalog, probe, any") {
		t.Errorf("an unknown word gives %v, %v", a, err)
	}
}

func TestReasonsTellWhoDecided(t *testing.T) {
	for _, tt := range []struct {
		p    Policy
		e    Evidence
		says string
	}{
		{Policy{Algebra: MergeCatalog}, Evidence{Declared: Declaration{Status: Passing}, Probe: ProbeDown}, "the catalog says passing, and the catalog alone decides"},
		{Policy{Algebra: MergeCatalog}, Evidence{Declared: Declaration{Status: Critical, Check: "c"}, Freshness: Stale, Probe: ProbeUp}, `the catalog said critical before it went stale, and the catalog alone decides (check "c")`},
		{Policy{Algebra: MergeProbe}, Evidence{Declared: Declaration{Status: Critical}, Probe: ProbeUp}, "the catalog says critical, but the probe passes, which decides"},
		{Policy{Algebra: MergeAny}, Evidence{Declared: Declaration{Status: Critical}, Probe: ProbeUp}, "the catalog says critical, but the probe passes, and either is enough"},
		{Policy{Algebra: MergeAny}, Evidence{Declared: Declaration{Status: Passing}, Probe: ProbeDown}, "the catalog says passing, though the probe fails, and either is enough"},
		{Policy{CatalogFall: 1}, Evidence{Declared: Declaration{Status: NodeCritical}, Before: Verdict{State: Up, Rule: 13, Weight: 1}}, "the catalog says critical of its node, but not for long enough to count yet"},
		{Policy{Warnings: WarningOut}, Evidence{Declared: Declaration{Status: Warning, WarningWeight: 1}}, "the catalog says warning, and that takes it out"},
		{Policy{}, Evidence{Damped: true}, "kept out because it flaps"},
	} {
		if got := tt.p.Merge(tt.e, false).Reason(tt.e); got != tt.says {
			t.Errorf("got %q\nwant %q", got, tt.says)
		}
	}
}

func TestFailClosed(t *testing.T) {
	good, dead, out := Evidence{}, Evidence{Probe: ProbeDown}, Evidence{Ejected: true}
	for _, tt := range []struct {
		name   string
		panics float64
		pool   []Evidence
		usable []int
		panic  bool
	}{
		{"enough are up", 0.5, []Evidence{good, dead}, []int{0}, false},
		{"too few are up", 0.5, []Evidence{good, dead, dead}, []int{}, true},
		{"nobody is up", 0.5, []Evidence{dead, out}, []int{}, false},
		{"no threshold", 0, []Evidence{good, dead, dead}, []int{0}, false},
		{"the ejected do not beat none", 0, []Evidence{out}, []int{}, false},
	} {
		d := Policy{PanicThreshold: tt.panics, FailClosed: true}.Decide(tt.pool)
		if !reflect.DeepEqual(d.Usable, tt.usable) || d.Panic != tt.panic {
			t.Errorf("%s: usable %v, panic %v", tt.name, d.Usable, d.Panic)
		}
	}
}
