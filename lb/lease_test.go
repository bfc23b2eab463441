package lb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// To be beaten now and then is no failure, to be beaten always is.
func TestBeaten(t *testing.T) {
	b := lb.New(lb.RoundRobin())
	if err := b.Add(lb.Server{ID: "a", Address: "a:1"}); err != nil {
		t.Fatal(err)
	}
	lease := func(outcome func(*lb.Lease)) {
		t.Helper()
		l, err := b.Select("")
		if err != nil {
			t.Fatal(err)
		}
		outcome(&l)
		l.Release()
	}
	beaten := func(l *lb.Lease) { l.Beaten(time.Second) }
	failures := func(want int64) {
		t.Helper()
		if s, _ := b.ServerStats("a"); s.Failures != want {
			t.Errorf("%d failures, want %d", s.Failures, want)
		}
	}
	for range 3 {
		lease(beaten)
	}
	lease(func(l *lb.Lease) { l.Record(time.Millisecond) }) // which has it start afresh
	for range 3 {
		lease(beaten)
	}
	failures(0)
	lease(beaten)
	lease(beaten)
	failures(2)
	lease(func(l *lb.Lease) { l.Record(time.Millisecond); l.Beaten(time.Second) }) // the first outcome counts
	lease(func(l *lb.Lease) { l.Fail(errors.New("broken")); l.Beaten(time.Second) })
	failures(3)
	new(lb.Lease).Beaten(time.Second)
}
