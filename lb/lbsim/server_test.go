package main

import (
	"testing"
	"time"
)

func TestTrouble(t *testing.T) {
	const s = time.Second
	stalls := trouble{kind: stalled, from: 10 * s, lasts: s, every: 20 * s}
	slowly := trouble{kind: slow, factor: 5, from: 10 * s, lasts: 10 * s}
	for _, one := range []struct {
		what             string
		trouble          trouble
		now, demand, end time.Duration
	}{
		{"none", trouble{}, 3 * s, s, 4 * s},
		{"slow for ever", trouble{kind: slow, factor: 10}, 3 * s, s, 13 * s},
		{"not slow yet", slowly, 9 * s, s, 10 * s},
		{"slow", slowly, 10 * s, s, 15 * s},
		{"slow no longer", slowly, 20 * s, s, 21 * s},
		{"done before a stall", stalls, 9 * s, s, 10 * s},
		{"over a stall", stalls, 9*s + s/2, s, 11*s + s/2},
		{"in a stall", stalls, 10*s + s/4, s, 12 * s},
		{"over two stalls", stalls, 9 * s, 21 * s, 32 * s},
	} {
		if got := one.trouble.end(one.now, one.demand); got != one.end {
			t.Errorf("%s: %v of work begun at %v end at %v, want %v", one.what, one.demand, one.now, got, one.end)
		}
		if one.trouble.kind != slow {
			if got := one.end - one.now - one.trouble.idle(one.now, one.end); got != one.demand {
				t.Errorf("%s: %v of %v was work", one.what, got, one.demand)
			}
		}
	}
}

func TestExpect(t *testing.T) {
	const ms = time.Millisecond
	for _, one := range []struct {
		what   string
		server server
		want   time.Duration
	}{
		{"idle", server{workers: 1}, 10 * ms},
		{"two ahead", server{workers: 1, active: 2}, 30 * ms},
		{"one of four workers idle", server{workers: 4, active: 3}, 10 * ms},
		{"four workers busy, one waits", server{workers: 4, active: 5}, 15 * ms},
		{"slow", server{workers: 1, active: 1, trouble: trouble{kind: slow, factor: 10}}, 200 * ms},
		{"stalled", server{workers: 1, active: 1, trouble: trouble{kind: stalled, lasts: 100 * ms}}, 120 * ms},
	} {
		if got := one.server.expect(0, 10*ms); got != one.want {
			t.Errorf("%s: %v, want %v", one.what, got, one.want)
		}
	}
}

// TestQueue has a server with two workers serve in order, and forget the past.
func TestQueue(t *testing.T) {
	s := &server{workers: 2}
	const n = 5000
	for i := range n {
		s.take(&request{demand: time.Duration(i)})
	}
	for i := range n {
		if i >= 2 {
			s.end()
		}
		r := s.begin(0)
		if r == nil || r.demand != time.Duration(i) {
			t.Fatalf("request %d is not served in its turn: %v", i, r)
		}
		if i >= 1 && s.begin(0) != nil {
			t.Fatal("three requests have two workers")
		}
	}
	if s.active != 2 || s.serving != 2 || s.next != len(s.waiting) {
		t.Errorf("at the end: %d active, %d served, %d wait", s.active, s.serving, len(s.waiting)-s.next)
	}
}
