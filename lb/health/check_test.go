package health

import (
	"testing"
	"time"
)

func TestRiseAndFall(t *testing.T) {
	for _, tt := range []struct {
		from           ProbeStatus
		probes, status string // one letter a probe: u up, d down, ? unproven
	}{
		{Unprobed, "g", "u"}, // the first success is enough
		{Unprobed, "bg", "?u"},
		{Unprobed, "bbbg", "??dd"},
		{Unprobed, "bbbgg", "??ddu"},
		{Unprobed, "gbbgbbb", "uuuuuud"}, // three in a row, not three in all
		{ProbeUp, "bbg", "uuu"},          // what is known is kept
		{ProbeDown, "gg", "du"},
		{ProbeDown, "gbgg", "dddu"},
	} {
		r, got := Result{Status: tt.from}, ""
		for _, letter := range tt.probes {
			r = Check{}.Next(r, Result{Good: letter == 'g'})
			got += map[ProbeStatus]string{ProbeUp: "u", ProbeDown: "d", Unproven: "?"}[r.Status]
		}
		if got != tt.status {
			t.Errorf("from %v probes %s give %s, want %s", tt.from, tt.probes, got, tt.status)
		}
	}
	r := Result{Status: ProbeUp}
	for i, good := range []bool{false, false, true, false} {
		if r = (Check{}).Next(r, Result{Good: good}); r.Streak != []int{1, 2, 0, 1}[i] {
			t.Errorf("after probe %d the streak is %d", i+1, r.Streak)
		}
	}
}

func TestHistoryKeepsTheLastTen(t *testing.T) {
	var h History
	for i := range 25 {
		h.Add(Result{Took: time.Duration(i)})
		all := h.All()
		if len(all) != min(i+1, 10) || all[len(all)-1].Took != time.Duration(i) || all[0].Took != time.Duration(max(0, i-9)) {
			t.Fatalf("after %d: %v", i, all)
		}
	}
}
