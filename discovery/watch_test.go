package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// scripted is a source that answers by a function, and remembers what it was
// asked.
type scripted struct {
	answer  func(ctx context.Context, n int, after uint64) (Snapshot, error)
	confirm func(n int) (Snapshot, error) // nil fails
	mu      sync.Mutex
	asked   []uint64
	at      []time.Time
	read    []time.Time // the readings of Confirm
}

func (s *scripted) Confirm(context.Context) (Snapshot, error) {
	s.mu.Lock()
	n := len(s.read)
	s.read = append(s.read, time.Now())
	s.mu.Unlock()
	if s.confirm == nil {
		return Snapshot{}, errors.New("nothing confirms")
	}
	snapshot, err := s.confirm(n)
	snapshot.At = time.Now()
	return snapshot, err
}

func (s *scripted) Fetch(ctx context.Context, after uint64) (Snapshot, error) {
	s.mu.Lock()
	n := len(s.asked)
	s.asked, s.at = append(s.asked, after), append(s.at, time.Now())
	s.mu.Unlock()
	snapshot, err := s.answer(ctx, n, after)
	snapshot.At = time.Now()
	return snapshot, err
}

// watching runs a watcher for d of virtual time and returns what it emitted.
func watching(t *testing.T, d time.Duration, answer func(ctx context.Context, n int, after uint64) (Snapshot, error)) (*scripted, *Watcher, []Snapshot) {
	t.Helper()
	s := &scripted{answer: answer}
	w := &Watcher{Source: s, Wait: time.Minute}
	var emitted []Snapshot
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	w.Run(ctx, func(s Snapshot) { emitted = append(emitted, s) })
	return s, w, emitted
}

// block waits like a server that has nothing new.
func block(ctx context.Context, wait time.Duration) error {
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func named(index uint64, ids ...string) Snapshot {
	s := Snapshot{Index: index}
	for _, id := range ids {
		s.Instances = append(s.Instances, Instance{ID: id, Address: id + ":80", Weight: 1})
	}
	return s
}

func TestWatchGoesOnFromEachIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, emitted := watching(t, 29*time.Second, func(ctx context.Context, n int, after uint64) (Snapshot, error) {
			err := block(ctx, 5*time.Second)
			return named(uint64(10*n), "a"), err
		})
		if want := []uint64{0, 1, 10, 20, 30, 40}; !slices.Equal(s.asked, want) { // an index 0 is asked on as 1
			t.Errorf("asked after %v, want %v", s.asked, want)
		}
		if len(emitted) != 5 {
			t.Errorf("emitted %d", len(emitted))
		}
		if st := w.Status(); st.Index != 40 || st.Answers != 5 || st.Err != nil {
			t.Errorf("status %+v", st)
		}
	})
}

// An answer with the same index still renews freshness, and may even differ.
func TestSameIndexIsStillAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, w, emitted := watching(t, 10*time.Minute, func(ctx context.Context, n int, after uint64) (Snapshot, error) {
			var err error
			if after != 0 {
				err = block(ctx, time.Minute)
			}
			return named(7, fmt.Sprint(n)), err
		})
		if len(emitted) < 9 {
			t.Errorf("emitted %d", len(emitted))
		}
		if age := time.Since(w.Status().Answered); age > time.Minute+time.Second {
			t.Errorf("the last answer is %v old", age)
		}
	})
}

// A server that counts anew, and says the same as before, has nothing to prove.
func TestIndexThatFallsIsReadAgainFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, emitted := watching(t, 10*time.Second, func(ctx context.Context, n int, after uint64) (Snapshot, error) {
			switch n {
			case 0:
				return named(100, "a", "b"), nil
			case 1:
				return named(50, "a", "b"), nil
			case 2:
				return named(60, "a", "b"), nil
			}
			return Snapshot{}, block(ctx, time.Minute)
		})
		if want := []uint64{0, 100, 0, 60}; !slices.Equal(s.asked, want) {
			t.Errorf("asked after %v, want %v", s.asked, want)
		}
		if st := w.Status(); len(emitted) != 3 || st.Suspicion != nil || st.Confirmed+st.Rejected != 0 || st.Resets != 1 || st.Fell || len(s.read) != 0 {
			t.Errorf("emitted %d, status %+v", len(emitted), st)
		}
		if gap := s.at[2].Sub(s.at[1]); gap > herd+refill {
			t.Errorf("read again after %v", gap)
		}
	})
}

func TestErrorsAreBackedOffFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, emitted := watching(t, 10*time.Minute, func(ctx context.Context, n int, after uint64) (Snapshot, error) {
			if n == 0 {
				return named(5, "a"), nil
			}
			return Snapshot{}, errors.New("no leader")
		})
		if len(emitted) != 1 {
			t.Errorf("emitted %d", len(emitted))
		}
		for i, after := range s.asked[2:] {
			if after != 0 {
				t.Fatalf("after error %d asked after %d: the server may count anew", i+1, after)
			}
		}
		if n := len(s.asked); n < 500 || n > 1200 {
			t.Errorf("asked %d times in ten minutes of errors", n)
		}
		for i := 1; i < len(s.at); i++ {
			if gap := s.at[i].Sub(s.at[i-1]); gap > ahead+ahead/5+refill {
				t.Errorf("waited %v", gap)
			}
		}
		st := w.Status()
		if st.Class != "other" || st.Err == nil || st.Failures["other"] != int64(len(s.asked)-1) || time.Since(st.Since) < 9*time.Minute {
			t.Errorf("status %+v", st)
		}
	})
}

// Whatever the source does, it is asked at most once every two seconds on the
// whole.
func TestRateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, answer := range map[string]func(ctx context.Context, n int, after uint64) (Snapshot, error){
			"changes without end": func(_ context.Context, n int, _ uint64) (Snapshot, error) {
				return named(uint64(n), fmt.Sprint(n)), nil
			},
			"index always 0":    func(context.Context, int, uint64) (Snapshot, error) { return named(0), nil },
			"index up and down": func(_ context.Context, n int, _ uint64) (Snapshot, error) { return named(uint64(5 - 4*(n%2))), nil },
		} {
			s, _, _ := watching(t, time.Minute, answer)
			if n := len(s.asked); n > 32 {
				t.Errorf("%s: asked %d times in a minute", name, n)
			}
			for i := 1; i < len(s.at); i++ {
				if gap := s.at[i].Sub(s.at[i-1]); gap < floor {
					t.Errorf("%s: asked again after %v", name, gap)
				}
			}
		}
	})
}

func TestErrorsThatNameAPauseGetIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, _ := watching(t, 10*time.Minute, func(context.Context, int, uint64) (Snapshot, error) {
			return Snapshot{}, &Error{Class: "denied", Pause: 10 * time.Second, Err: errors.New("403")}
		})
		for i := 1; i < len(s.at); i++ {
			if gap := s.at[i].Sub(s.at[i-1]); gap < 10*time.Second || gap > time.Minute {
				t.Errorf("asked again after %v", gap)
			}
		}
		if w.Status().Class != "denied" {
			t.Errorf("status %+v", w.Status())
		}
	})
}

// P8: a connection that died in silence is found out.
func TestDeafQueriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, _ := watching(t, 5*time.Minute, func(ctx context.Context, n int, after uint64) (Snapshot, error) {
			if n == 0 {
				return named(1, "a"), nil
			}
			<-ctx.Done()
			return Snapshot{}, ctx.Err()
		})
		if gap := s.at[2].Sub(s.at[1]); gap > time.Minute*17/16+holdMargin+backoff {
			t.Errorf("deaf for %v", gap)
		}
		if w.Status().Class != "timeout" {
			t.Errorf("status %+v", w.Status())
		}
	})
}

// Every five minutes or so the state is read without an index, in case a
// change was missed.
func TestStateIsReadAfreshNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := watching(t, time.Hour, func(ctx context.Context, n int, after uint64) (Snapshot, error) {
			var err error
			if after != 0 {
				err = block(ctx, time.Minute)
			}
			return named(9, "a"), err
		})
		var afresh []time.Time
		for i, after := range s.asked {
			if after == 0 {
				afresh = append(afresh, s.at[i])
			}
		}
		for i := 1; i < len(afresh); i++ {
			if gap := afresh[i].Sub(afresh[i-1]); gap < 4*time.Minute || gap > 7*time.Minute+time.Second {
				t.Errorf("read afresh after %v", gap)
			}
		}
		if len(afresh) < 9 {
			t.Errorf("read afresh %d times in an hour", len(afresh))
		}
	})
}

func TestFreshness(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &Watcher{Wait: time.Minute}
	w.believed(Snapshot{Index: 1, At: now}, false)
	st := w.Status()
	for age, want := range map[time.Duration]health.Freshness{
		0: health.Fresh, 93 * time.Second: health.Fresh, 94 * time.Second: health.Stale, time.Hour - 1: health.Stale, time.Hour: health.Expired,
	} {
		f, changes := st.Freshness(now.Add(age), time.Hour)
		if f != want {
			t.Errorf("after %v it is %v", age, f)
		}
		if f != health.Expired {
			if next, _ := st.Freshness(changes, time.Hour); next != f+1 {
				t.Errorf("after %v the next change is said to be at %v, but then it is %v", age, changes.Sub(now), next)
			}
		}
	}
}

// One that expires before it would be stale is fresh until then.
func TestFreshnessThatEndsAtOnce(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := &Watcher{Wait: time.Minute}
	w.believed(Snapshot{Index: 1, At: now}, false)
	f, changes := w.Status().Freshness(now, time.Second)
	if after, _ := w.Status().Freshness(changes, time.Second); f != health.Fresh || changes.Sub(now) != time.Second || after != health.Expired {
		t.Errorf("%v until %v, then %v", f, changes.Sub(now), after)
	}
}

// An answer of a server that had lost its leader is as old as that, unless it
// was streamed, when it says nothing of it.
func TestFreshnessCountsFromTheLeader(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for streamed, want := range map[bool]health.Freshness{false: health.Stale, true: health.Fresh} {
		w := &Watcher{Wait: time.Minute}
		w.believed(Snapshot{Index: 1, At: now, Origin: Origin{Lag: 2 * time.Minute, Streamed: streamed}}, false)
		if f, _ := w.Status().Freshness(now, time.Hour); f != want {
			t.Errorf("streamed %t: %v", streamed, f)
		}
	}
}

func TestSnapshotsCompareByWhatTheySay(t *testing.T) {
	base := named(1, "a", "b")
	for name, change := range map[string]func(*Snapshot){
		"address":  func(s *Snapshot) { s.Instances[0].Address = "x:1" },
		"weight":   func(s *Snapshot) { s.Instances[0].Weight = 2 },
		"status":   func(s *Snapshot) { s.Instances[0].Declared.Status = health.Critical },
		"check":    func(s *Snapshot) { s.Instances[0].Declared.Check = "x" },
		"doubt":    func(s *Snapshot) { s.Doubt = "x" },
		"metadata": func(s *Snapshot) { s.Instances[0].Metadata = map[string]string{"a": "b"} },
		"zone":     func(s *Snapshot) { s.Instances[0].Zone = "z" },
		"priority": func(s *Snapshot) { s.Instances[0].Priority = 1 },
		"fewer":    func(s *Snapshot) { s.Instances = s.Instances[:1] },
		"skipped":  func(s *Snapshot) { s.Skipped = []string{"x"} },
		"notes":    func(s *Snapshot) { s.Notes = []string{"x"} },
	} {
		other := named(2, "a", "b")
		if !base.Equal(other) {
			t.Fatal("another index is no other state")
		}
		if change(&other); base.Equal(other) {
			t.Errorf("%s makes no difference", name)
		}
	}
	other := named(2, "a", "b")
	if other.Instances[0].Declared.Output = "took 3 ms"; !base.Equal(other) {
		t.Error("what a check printed makes a difference")
	}
}
