package discovery

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// many is a believed snapshot of n instances.
func many(index uint64, n int) Snapshot {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("i%05d", i)
	}
	s := named(index, ids...)
	s.At = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return s
}

// without drops the first n instances.
func without(s Snapshot, n int) Snapshot {
	s.Instances = s.Instances[n:]
	return s
}

func TestDoubt(t *testing.T) {
	hidden := without(many(101, 4), 1)
	hidden.Origin.Hidden = true
	for _, tt := range []struct {
		name           string
		believed, next Snapshot
		want           string // part of the reason; "" for none
	}{
		{"the first", Snapshot{}, named(7, "a"), ""},
		{"the first, empty", Snapshot{}, named(7), "first answer is empty"},
		{"still empty", many(7, 0), named(8), ""},
		{"still empty, as of an earlier index", many(7, 0), named(1), ""},
		{"the first instance", many(7, 0), named(8, "a"), ""},
		{"the same", many(7, 4), many(7, 4), ""},
		{"the last is gone", many(7, 1), named(8), "all of 1 instances are gone"},
		{"all are gone", many(7, 10), named(8), "all of 10"},
		{"all are gone at index 1", many(7, 10), named(1), "knows nothing yet"},
		{"all are gone and the index is unreadable", many(7, 10), named(0), "knows nothing yet"},
		{"one of two", many(7, 2), without(many(8, 2), 1), ""},
		{"two of three", many(7, 3), without(many(8, 3), 2), ""},
		{"three of four", many(7, 4), without(many(8, 4), 3), "3 of 4"},
		{"three of six, which is half", many(7, 6), without(many(8, 6), 3), "3 of 6"},
		{"three of seven, which is less", many(7, 7), without(many(8, 7), 3), ""},
		{"half of many", many(7, 10000), without(many(8, 10000), 5000), "5000 of 10000"},
		{"less than half of many", many(7, 10000), without(many(8, 10000), 4999), ""},
		{"one is gone and the index fell", many(100, 10), without(many(99, 10), 1), "fell from 100 to 99"},
		{"one came and the index fell", without(many(100, 2), 1), many(99, 2), "fell from 100 to 99"},
		{"the index fell and nothing else", many(100, 2), many(50, 2), ""},
		{"an unreadable index is no fallen one", many(100, 10), without(many(0, 10), 1), ""},
		{"one is gone, and something is hidden", many(100, 4), hidden, "access rules"},
	} {
		got := doubt(tt.believed, tt.next)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A service that is registered anew under other IDs has lost nobody.
func TestNewIDsAtOldAddressesAreNotMissing(t *testing.T) {
	before, after := many(7, 6), many(8, 6)
	for i := range after.Instances {
		after.Instances[i].ID = "new" + after.Instances[i].ID
	}
	if reason := doubt(before, after); reason != "" {
		t.Error(reason)
	}
	moved := many(8, 6)
	for i := range moved.Instances {
		moved.Instances[i].Address = fmt.Sprint("10.0.0.9:", i)
	}
	if reason := doubt(before, moved); reason != "" {
		t.Error(reason)
	}
}

func TestQuarantineLosesNobody(t *testing.T) {
	before := many(7, 5)
	before.Instances[0].Declared = health.Declaration{Status: health.Passing, WarningWeight: 3}
	answer := without(many(8, 5), 3)
	answer.Instances = append([]Instance{{ID: "a-new-one", Address: "new:80", Weight: 1}}, answer.Instances...)
	answer.Instances[1].Declared.Status = health.Critical
	s := Quarantine(before, answer, "why")
	if len(s.Instances) != 6 || s.Doubt != "why" || s.Index != 8 || len(answer.Instances) != 3 {
		t.Fatalf("%+v", s)
	}
	if !slices.IsSortedFunc(s.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("not sorted")
	}
	for _, i := range s.Instances {
		want := health.Undeclared
		switch i.ID {
		case "i00000", "i00001", "i00002":
			want = health.Missing
			if !strings.Contains(i.Declared.Output, "why") || i.Declared.Check != "" {
				t.Errorf("%+v", i.Declared)
			}
		case "i00003":
			want = health.Critical // what is answered counts
		}
		if i.Declared.Status != want {
			t.Errorf("%s is %v, want %v", i.ID, i.Declared.Status, want)
		}
	}
	if w := s.Instances[1].Declared.WarningWeight; w != 3 {
		t.Errorf("the warning weight became %d", w)
	}
}

func TestBearingOut(t *testing.T) {
	believed := many(7, 10)
	for _, tt := range []struct {
		name          string
		first, second Snapshot
		want          bool
	}{
		{"both empty", many(8, 0), many(9, 0), true},
		{"the same half", without(many(8, 10), 5), without(many(8, 10), 5), true},
		{"one more has gone, as happens", without(many(8, 10), 5), without(many(9, 10), 6), true},
		{"many more have gone", without(many(8, 10), 5), without(many(9, 10), 9), false},
		{"one is back", without(many(8, 10), 6), without(many(9, 10), 5), false},
		{"then nothing", without(many(8, 10), 5), many(9, 0), false},
		{"two views in turns", without(many(9, 10), 5), without(many(8, 10), 6), false},
	} {
		if got := bearsOut(believed, tt.first, tt.second); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// Whatever is believed and answered, a quarantine keeps every address and
// invents none.
func FuzzQuarantine(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{2, 9}, uint64(5), uint64(4))
	f.Add([]byte{1}, []byte{}, uint64(5), uint64(0))
	f.Fuzz(func(t *testing.T, known, next []byte, knownIndex, nextIndex uint64) {
		of := func(index uint64, ids []byte) Snapshot {
			slices.Sort(ids)
			s := Snapshot{Index: index, At: time.Unix(1, 0)}
			for _, id := range slices.Compact(ids) {
				s.Instances = append(s.Instances, Instance{ID: fmt.Sprint(id), Address: fmt.Sprint(id % 100), Weight: 1})
			}
			slices.SortFunc(s.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
			return s
		}
		believed, answer := of(knownIndex, known), of(nextIndex, next)
		reason := doubt(believed, answer)
		if len(missing(believed, answer)) == 0 && reason != "" && !strings.Contains(reason, "index fell") {
			t.Errorf("nothing is missing, and yet: %s", reason)
		}
		has := make(map[string]bool)
		for _, i := range append(slices.Clone(believed.Instances), answer.Instances...) {
			has[i.Address] = true
		}
		s := Quarantine(believed, answer, reason)
		for _, i := range s.Instances {
			if !has[i.Address] {
				t.Errorf("%s was invented", i.Address)
			}
		}
		now := make(map[string]bool)
		for _, i := range s.Instances {
			now[i.ID] = true
		}
		for _, i := range believed.Instances {
			if !now[i.ID] && !slices.ContainsFunc(answer.Instances, func(a Instance) bool { return a.Address == i.Address }) {
				t.Errorf("%s was lost", i.ID)
			}
		}
	})
}
