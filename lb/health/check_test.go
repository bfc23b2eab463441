package health

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type script struct {
	results string // one letter a probe: g for good, b for bad; the last repeats
	calls   int
	at      []time.Time
	wait    time.Duration
}

func (s *script) Probe(ctx context.Context, _ Target) (string, error) {
	s.at = append(s.at, time.Now())
	i := min(s.calls, len(s.results)-1)
	s.calls++
	if s.wait > 0 {
		select {
		case <-time.After(s.wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if s.results[i] == 'b' {
		return "bad luck", errors.New("bad")
	}
	return "fine", nil
}

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
		t.Run(tt.probes+" from "+tt.from.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var got strings.Builder
				Check{Prober: &script{results: tt.probes}}.Run(ctx, Target{}, tt.from, func(r Result) {
					got.WriteByte(map[ProbeStatus]byte{ProbeUp: 'u', ProbeDown: 'd', Unproven: '?'}[r.Status])
					if got.Len() == len(tt.probes) {
						cancel()
					}
				})
				if got.String() != tt.status {
					t.Errorf("probes %s give %s, want %s", tt.probes, got.String(), tt.status)
				}
			})
		})
	}
}

func TestProbesKeepTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s, start := &script{results: "g"}, time.Now()
		Check{Prober: s, Interval: 5 * time.Second}.Run(ctx, Target{}, Unprobed, func(Result) {})
		if first := s.at[0].Sub(start); first > 100*time.Millisecond {
			t.Errorf("the first probe came after %v", first)
		}
		var gaps []time.Duration
		for i := 1; i < len(s.at); i++ {
			gaps = append(gaps, s.at[i].Sub(s.at[i-1]))
		}
		if lo, hi := slices.Min(gaps), slices.Max(gaps); lo < 4500*time.Millisecond || hi > 5500*time.Millisecond || lo == hi {
			t.Errorf("gaps from %v to %v, want 5 s less or more up to a tenth, and not all alike", lo, hi)
		}
	})
}

func TestSlowProbesFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		Check{Prober: &script{results: "g", wait: time.Hour}, Timeout: 3 * time.Second}.Run(ctx, Target{}, Unprobed, func(r Result) {
			if r.Good || r.Took != 3*time.Second || !strings.Contains(r.Output, "deadline") {
				t.Errorf("got %+v", r)
			}
			if n++; n == 3 {
				if r.Status != ProbeDown {
					t.Errorf("after 3 the status is %v", r.Status)
				}
				cancel()
			}
		})
	})
}

func TestAProbeCutShortSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		Check{Prober: &script{results: "g", wait: time.Minute}, Timeout: time.Hour}.Run(ctx, Target{}, Unprobed, func(r Result) {
			t.Errorf("reported %+v", r)
		})
	})
}
