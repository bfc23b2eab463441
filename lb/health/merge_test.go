package health

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// table is the specification: the first row whose condition holds decides.
var table = []struct {
	rule  int
	when  func(e Evidence, peerUp bool) bool
	state State
	// weight is "full", "warning" (as declared), "reduced" (the same, but at
	// least 1) or "none".
	weight string
	stale  bool
}{
	{1, func(e Evidence, _ bool) bool { return e.Declared.Status == Maintenance }, Draining, "none", false},
	{2, func(e Evidence, _ bool) bool { return e.Declared.Status == Absent }, Draining, "none", false},
	{3, func(e Evidence, _ bool) bool { return e.Declared.Status == Missing }, Unseen, "none", false}, // the state before; see below
	{4, func(e Evidence, _ bool) bool { return e.Probe == ProbeDown }, Down, "none", false},
	{5, func(e Evidence, _ bool) bool { return e.Ejected }, Ejected, "none", false},
	{6, func(e Evidence, _ bool) bool { return e.Declared.Status == NodeCritical && e.Probe == ProbeUp }, Up, "reduced", false},
	{7, func(e Evidence, _ bool) bool { return e.Declared.Status.critical() && e.Freshness == Fresh }, Down, "none", false},
	{8, func(e Evidence, _ bool) bool { return e.Declared.Status.critical() && e.Probe == ProbeUp }, Up, "reduced", true},
	{9, func(e Evidence, _ bool) bool { return e.Declared.Status.critical() }, Down, "none", false},
	{10, func(e Evidence, _ bool) bool {
		return e.Freshness == Expired && (e.Probe == Unprobed || e.Probe == Unproven)
	}, Up, "reduced", true},
	{11, func(e Evidence, peerUp bool) bool { return e.Probe == Unproven && peerUp && e.Before.State != Up }, Pending, "none", false},
	{12, func(e Evidence, _ bool) bool { return e.Declared.Status == Warning && e.Declared.WarningWeight == 0 }, Down, "none", false},
	{12, func(e Evidence, _ bool) bool { return e.Declared.Status == Warning }, Up, "warning", false},
	{13, func(Evidence, bool) bool { return true }, Up, "full", false},
}

// every combination of evidence there is.
func combinations(yield func(e Evidence, peerUp bool)) {
	for status := Undeclared; status <= Absent; status++ {
		for freshness := Fresh; freshness <= Expired; freshness++ {
			for probe := Unprobed; probe <= ProbeDown; probe++ {
				for bits := range 32 {
					e := Evidence{
						Declared:  Declaration{Status: status, WarningWeight: 3 * (bits & 1)},
						Freshness: freshness,
						Probe:     probe,
						Ejected:   bits&2 != 0,
						Weight:    10 * (bits >> 2 & 1),
					}
					if bits&16 != 0 && status != Missing {
						e.Before = Verdict{State: Up, Rule: 13, Weight: 1}
					}
					yield(e, bits&8 != 0)
				}
			}
		}
	}
}

func TestMergeIsTheTable(t *testing.T) {
	seen := make(map[int]int)
	combinations(func(e Evidence, peerUp bool) {
		for _, row := range table {
			if !row.when(e, peerUp) {
				continue
			}
			seen[row.rule]++
			want := Verdict{State: row.state, Rule: row.rule, Stale: row.stale}
			switch row.weight {
			case "full":
				want.Weight = max(1, e.Weight)
			case "warning":
				want.Weight = e.Declared.WarningWeight
			case "reduced":
				want.Weight = max(1, e.Declared.WarningWeight)
			}
			got := Policy{}.Merge(e, peerUp)
			if got != want {
				t.Fatalf("Merge(%+v, %v)\n got %+v\nwant %+v", e, peerUp, got, want)
			}
			if got.Reason(e) == "" || strings.Contains(got.Reason(e), "not judged") {
				t.Fatalf("no reason for %+v", got)
			}
			return
		}
	})
	for rule := 1; rule <= 13; rule++ {
		if seen[rule] == 0 {
			t.Errorf("no combination matches rule %d", rule)
		}
	}
}

func TestMissingKeepsItsStateWhateverElse(t *testing.T) {
	for _, before := range []Verdict{{State: Up, Rule: 13, Weight: 7}, {State: Down, Rule: 4}, {State: Up, Rule: 8, Weight: 1, Stale: true}} {
		want := before
		want.Rule = 3
		e := Evidence{Declared: Declaration{Status: Missing}, Probe: ProbeDown, Ejected: true, Before: before}
		if got := (Policy{}).Merge(e, true); got != want {
			t.Errorf("after %+v comes %+v", before, got)
		}
	}
}

func TestDecide(t *testing.T) {
	var (
		good       = Evidence{Declared: Declaration{Status: Passing}}
		proven     = Evidence{Declared: Declaration{Status: Passing}, Probe: ProbeUp}
		unproven   = Evidence{Declared: Declaration{Status: Passing}, Probe: Unproven}
		dead       = Evidence{Declared: Declaration{Status: Passing}, Probe: ProbeDown}
		critical   = Evidence{Declared: Declaration{Status: Critical}}
		lost       = Evidence{Declared: Declaration{Status: NodeCritical}, Probe: ProbeUp}
		maintained = Evidence{Declared: Declaration{Status: Maintenance}}
		out        = Evidence{Declared: Declaration{Status: Passing}, Ejected: true}
	)
	for _, tt := range []struct {
		name   string
		panics float64
		pool   []Evidence
		usable []int
		panic  bool
	}{
		{"nobody", 0.5, nil, []int{}, false},
		{"all well", 0.5, []Evidence{good, good}, []int{0, 1}, false},
		{"half is not below half", 0.5, []Evidence{good, dead}, []int{0}, false},
		{"below half: those the catalog does not call critical", 0.5, []Evidence{good, dead, dead, critical}, []int{0, 1, 2}, true},
		{"only critical ones left: all of them", 0.5, []Evidence{critical, critical, maintained}, []int{0, 1}, true},
		{"up by its probe, though the catalog lost its node", 0.9, []Evidence{lost, dead, dead}, []int{0, 1, 2}, true},
		{"maintenance does not count", 0.5, []Evidence{good, maintained, maintained}, []int{0}, false},
		{"maintenance is never used", 0.5, []Evidence{maintained}, []int{}, false},
		{"no threshold, no panic", 0, []Evidence{critical, dead}, []int{}, false},
		{"no panic when it would add nobody", 0.9, []Evidence{good, critical, critical}, []int{0}, false},
		{"the unproven wait where one is proven", 0, []Evidence{proven, unproven}, []int{0}, false},
		{"who serves already goes on", 0, []Evidence{proven, {Probe: Unproven, Before: Verdict{State: Up}}}, []int{0, 1}, false},
		{"nobody is proven: all serve", 0, []Evidence{unproven, unproven}, []int{0, 1}, false},
		{"a dead peer proves nothing", 0, []Evidence{dead, unproven}, []int{1}, false},
		{"the ejected beat none", 0, []Evidence{out, critical}, []int{0}, true},
		{"the ejected stay out while there are others", 0, []Evidence{out, good}, []int{1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Policy{PanicThreshold: tt.panics}.Decide(tt.pool)
			if !reflect.DeepEqual(d.Usable, tt.usable) || d.Panic != tt.panic {
				t.Errorf("usable %v, panic %v; want %v, %v", d.Usable, d.Panic, tt.usable, tt.panic)
			}
		})
	}
}

func FuzzDecide(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 200, 100}, 0.5, uint16(0))
	f.Add([]byte{7, 77, 66, 3, 200, 100}, 0.9, uint16(0xfff))
	f.Fuzz(func(t *testing.T, raw []byte, threshold float64, bits uint16) {
		p := Policy{
			Algebra: Algebra(bits & 3), Warnings: Warnings(bits>>2&3) % 3, CatalogFall: time.Duration(bits >> 4 & 3),
			PanicThreshold: threshold, FailClosed: bits>>6&1 != 0,
		}
		pool := make([]Evidence, len(raw))
		for i, b := range raw {
			pool[i] = Evidence{
				Declared:  Declaration{Status: Status(b & 7), WarningWeight: int(b >> 6)},
				Freshness: Freshness(b>>3) % 3,
				Probe:     ProbeStatus(b >> 5 & 3),
				Ejected:   b&1 != 0,
				Damped:    b%5 == 0,
				Against:   time.Duration(b % 3),
			}
			if b%7 == 0 {
				pool[i].Before = Verdict{State: Up, Rule: 13, Weight: 1}
			}
		}
		d := p.Decide(pool)
		usable := make(map[int]bool)
		for _, i := range d.Usable {
			usable[i] = true
			if d.Verdicts[i].State == Draining {
				t.Fatal("a draining server is used")
			}
		}
		if p.FailClosed && d.Panic && len(d.Usable) > 0 {
			t.Fatal("failing closed, yet some are used in a panic")
		}
		for i, v := range d.Verdicts {
			if v.State == Up && !usable[i] && !(p.FailClosed && d.Panic) {
				t.Fatal("a server that is up is not used")
			}
			if v.State == Up && v.Weight < 1 || v.State != Up && v.State != Unseen && v.Weight != 0 {
				t.Fatalf("weight of %+v", v)
			}
			if usable[i] && v.State != Up && (!d.Panic || p.FailClosed) {
				t.Fatal("widened without saying so")
			}
			if v.Reason(pool[i]) == "" {
				t.Fatalf("no reason for %+v", v)
			}
		}
	})
}

func TestStringsAreForPeople(t *testing.T) {
	for _, got := range []string{Up.String(), Absent.String(), Expired.String(), ProbeDown.String()} {
		if got == "" || got == "invalid" {
			t.Errorf("a word is missing: %q", got)
		}
	}
	if State(99).String() != "invalid" {
		t.Error("an unknown state should say so")
	}
}
