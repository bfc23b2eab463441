package health

import (
	"testing"
	"time"
)

func TestEjectionLength(t *testing.T) {
	e := Ejection{Base: 30 * time.Second, Max: 5 * time.Minute}
	for n, want := range map[int]time.Duration{0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute, 10: 5 * time.Minute, 11: 5 * time.Minute, 1 << 40: 5 * time.Minute} {
		if got := e.Length(n); got != want {
			t.Errorf("ejection %d lasts %v, want %v", n, got, want)
		}
	}
	if got := (Ejection{Base: time.Hour, Max: time.Minute}).Length(1); got != time.Minute {
		t.Errorf("the maximum does not bound the first: %v", got)
	}
}

func TestEjectionAllows(t *testing.T) {
	e := Ejection{MaxShare: 0.1}
	for _, tt := range []struct {
		ejected, pool, up int
		want              bool
	}{
		{0, 3, 3, true},   // one always may
		{1, 3, 2, false},  // but no more than the share
		{1, 20, 19, true}, // a tenth of 20 is 2
		{2, 20, 18, false},
		{0, 3, 1, false}, // never the last
		{0, 1, 1, false},
		{0, 3, 0, false},
	} {
		if got := e.Allows(tt.ejected, tt.pool, tt.up); got != tt.want {
			t.Errorf("Allows(%d, %d, %d) = %v", tt.ejected, tt.pool, tt.up, got)
		}
	}
}
