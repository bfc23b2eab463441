package discovery

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Agents that start together, or that one restart of the catalog wakes
// together, do not ask together.
func TestHerdsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		woken := begin.Add(20 * time.Second)
		first, again := make(map[time.Duration]bool), make(map[time.Duration]bool)
		for range 50 {
			s := &scripted{answer: func(ctx context.Context, n int, after uint64) (Snapshot, error) {
				if after == 0 {
					return named(50-uint64(n), "a"), nil
				}
				return named(10, "a"), block(ctx, time.Until(woken))
			}}
			w := &Watcher{Source: s, Wait: time.Minute, Start: 5 * time.Second}
			ctx, cancel := context.WithTimeout(t.Context(), time.Until(woken)+5*time.Second)
			w.Run(ctx, func(Snapshot) {})
			cancel()
			if late := s.at[0].Sub(begin); late >= 5*time.Second {
				t.Errorf("began after %v", late)
			}
			if late := s.at[2].Sub(woken); late < 0 || late > herd {
				t.Errorf("read again after %v", late)
			}
			first[s.at[0].Sub(begin)], again[s.at[2].Sub(woken)] = true, true
			begin = time.Now()
			woken = begin.Add(20 * time.Second)
		}
		if len(first) < 45 || len(again) < 45 {
			t.Errorf("50 watches began at %d moments, and read again at %d", len(first), len(again))
		}
	})
}

// A rest ends when there is reason to, such as another token.
func TestRestsEndSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rotated := make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(rotated) })
		s, w, emitted := watching(t, 5*time.Second, func(ctx context.Context, n int, _ uint64) (Snapshot, error) {
			if n == 0 {
				return Snapshot{}, &Error{Class: "denied", Pause: 10 * time.Second, Sooner: rotated, Err: errors.New("403")}
			}
			return named(7, "a"), nil
		})
		if len(emitted) == 0 || s.at[1].Sub(s.at[0]) < 3*time.Second || s.at[1].Sub(s.at[0]) > 3*time.Second+herd || w.Status().Err != nil {
			t.Errorf("asked at %v", s.at)
		}
	})
}

func TestRandomnessIsInjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answer: func(context.Context, int, uint64) (Snapshot, error) { return Snapshot{}, errors.New("no") }}
		w := &Watcher{Source: s, Wait: time.Minute, Start: 4 * time.Second, Jitter: func(d time.Duration) time.Duration { return d / 2 }}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		w.Run(ctx, func(Snapshot) {})
		if s.at[0].Sub(begin) != 2*time.Second || s.at[1].Sub(s.at[0]) != backoff/2 || s.at[len(s.at)-1].Sub(s.at[len(s.at)-2]) != ahead+ahead/8 {
			t.Errorf("asked at %v", s.at)
		}
	})
}
