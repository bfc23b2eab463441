package discovery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// doubting runs a watcher that has believed four instances at index 100 and
// then gets a suspicious answer.
func doubting(t *testing.T, d time.Duration, suspicious Snapshot, confirm func(n int) (Snapshot, error)) (s *scripted, w *Watcher, emitted []Snapshot, turned []Status) {
	t.Helper()
	s = &scripted{confirm: confirm, answer: func(ctx context.Context, n int, _ uint64) (Snapshot, error) {
		switch n {
		case 0:
			return named(100, "a", "b", "c", "d"), nil
		case 1:
			return suspicious, nil
		}
		return Snapshot{}, block(ctx, time.Hour)
	}}
	w = &Watcher{Source: s, Wait: time.Minute, Turned: func(s Status) {
		if s.Answers != 1 || s.Suspicion != nil || s.Err != nil { // not the first answer
			turned = append(turned, s)
		}
	}}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	w.Run(ctx, func(s Snapshot) { emitted = append(emitted, s) })
	return s, w, emitted, turned
}

func always(s Snapshot) func(int) (Snapshot, error) {
	return func(int) (Snapshot, error) { return s, nil }
}

func statuses(s Snapshot) (out string) {
	for _, i := range s.Instances {
		out += i.ID + "=" + i.Declared.Status.String() + " "
	}
	return strings.TrimSpace(out)
}

const (
	allThere   = "a=undeclared b=undeclared c=undeclared d=undeclared"
	allMissing = "a=missing b=missing c=missing d=missing"
)

// An empty answer takes nothing away until it is confirmed, and then it does.
func TestEmptyAnswerIsConfirmedBeforeItIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, emitted, turned := doubting(t, 20*time.Second, named(101), always(named(101)))
		var got []string
		for _, e := range emitted {
			got = append(got, statuses(e))
		}
		want := []string{allThere, allMissing, allMissing, ""}
		if strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Fatalf("emitted %q", got)
		}
		if len(s.read) != 2 || s.read[1].Sub(s.read[0]) < apart {
			t.Errorf("read at %v", s.read)
		}
		st := w.Status()
		if st.Suspicion != nil || st.Confirmed != 1 || st.Rejected != 0 || st.Index != 101 {
			t.Errorf("status %+v", st)
		}
		if len(turned) != 2 || turned[0].Suspicion == nil || turned[0].Suspicion.Missing != 4 ||
			!strings.Contains(turned[0].Suspicion.Reason, "all of 4") || turned[1].Confirmed != 1 || turned[1].Ended != "confirmed" {
			t.Errorf("told of %+v", turned)
		}
		if s.asked[len(s.asked)-1] != 101 {
			t.Errorf("went on after %d", s.asked[len(s.asked)-1])
		}
	})
}

// What contradicts a suspicion ends it at once.
func TestSuspicionEndsWhenTheInstancesAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, answer := range map[string]Snapshot{
			"empty":                   named(101),
			"empty at index 1":        named(1),
			"three of four gone":      named(101, "a"),
			"from the past":           named(50, "a", "b", "c"),
			"from the past, one more": named(50, "a", "b", "c", "d", "e"),
		} {
			s, w, emitted, _ := doubting(t, 20*time.Second, answer, always(named(102, "a", "b", "c", "d")))
			if st := w.Status(); len(s.read) != 1 || st.Suspicion != nil || st.Rejected != 1 || st.Ended != "rejected" || st.Confirmed != 0 {
				t.Errorf("%s: read %d times, status %+v", name, len(s.read), st)
			}
			for _, e := range emitted {
				if len(e.Instances) != 4 {
					t.Errorf("%s: emitted %s", name, statuses(e))
				}
			}
			if last := emitted[len(emitted)-1]; statuses(last) != allThere || last.Doubt != "" {
				t.Errorf("%s: in the end %s", name, statuses(last))
			}
		}
	})
}

// A server restored from a backup counts low for good, and its leader says so.
func TestLeaderOfTheRestoredIsBelievedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, emitted, _ := doubting(t, 20*time.Second, named(11, "a", "b", "c", "d", "e"), always(named(11, "a", "b", "c", "d", "e")))
		if st := w.Status(); len(s.read) != 1 || st.Suspicion != nil || st.Index != 11 {
			t.Errorf("read %d times, status %+v", len(s.read), st)
		}
		if last := emitted[len(emitted)-1]; len(last.Instances) != 5 || s.asked[len(s.asked)-1] != 11 {
			t.Errorf("%s after %v", statuses(last), s.asked)
		}
	})
}

// Where nothing confirms, the last that was believed stays for as long as it
// takes, and the source is asked less and less, but for one that may only be away
// for a moment.
func TestUnconfirmedAnswersTakeNothingAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, confirm := range map[string]func(int) (Snapshot, error){
			"hidden": func(int) (Snapshot, error) {
				return Snapshot{}, &Error{Class: "hidden", Sooner: make(chan struct{}), Err: errors.New("no token")}
			},
			"no word": func(int) (Snapshot, error) { return Snapshot{}, errors.New("no leader") },
			"views in turns": func(n int) (Snapshot, error) {
				if n%2 == 0 {
					return named(101), nil
				}
				return named(102, "a"), nil
			},
			"confirms only every second time": func(n int) (Snapshot, error) {
				if n%2 == 0 {
					return named(101), nil
				}
				return Snapshot{}, errors.New("no leader")
			},
		} {
			s, w, emitted, _ := doubting(t, 10*time.Minute, named(101), confirm)
			for _, e := range emitted {
				if len(e.Instances) != 4 {
					t.Fatalf("%s: emitted %s", name, statuses(e))
				}
			}
			st := w.Status()
			if st.Suspicion == nil || st.Suspicion.Missing == 0 || st.Confirmed != 0 || time.Since(st.Suspicion.Since) < 9*time.Minute {
				t.Errorf("%s: status %+v", name, st)
			}
			if name == "hidden" && (st.Class != "hidden" || !strings.Contains(st.Err.Error(), "no token") || st.Suspicion.Confirmations != 0) {
				t.Errorf("status %+v", st)
			}
			if f, _ := st.Freshness(time.Now(), time.Hour); f != health.Stale {
				t.Errorf("%s: the catalog's word is %v", name, f)
			}
			most := 150
			if name == "no word" {
				most = 10 * 60
			}
			if n := len(s.read); n < 15 || n > most {
				t.Errorf("%s: read %d times in ten minutes", name, n)
			}
			for i := 1; i < len(s.read); i++ {
				if gap := s.read[i].Sub(s.read[i-1]); gap < apart || gap > backoffCap+refill {
					t.Errorf("%s: read again after %v", name, gap)
				}
			}
		}
	})
}

// The first answer of all may be empty, and is believed once it is confirmed.
func TestFirstEmptyAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, confirmed := range map[string]Snapshot{"none": named(5), "one after all": named(6, "a")} {
			s := &scripted{confirm: always(confirmed), answer: func(ctx context.Context, n int, after uint64) (Snapshot, error) {
				if after > 0 {
					return Snapshot{}, block(ctx, time.Hour)
				}
				return named(5), nil
			}}
			w := &Watcher{Source: s, Wait: time.Minute}
			var emitted []Snapshot
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			w.Run(ctx, func(s Snapshot) { emitted = append(emitted, s) })
			cancel()
			if len(emitted) != 1 || len(emitted[0].Instances) != len(confirmed.Instances) || emitted[0].At.IsZero() || w.Status().Suspicion != nil {
				t.Errorf("%s: emitted %+v, status %+v", name, emitted, w.Status())
			}
			if want := 2 - len(confirmed.Instances); len(s.read) != want {
				t.Errorf("%s: read %d times", name, len(s.read))
			}
		}
	})
}

// What an archive kept is believed, so that the first answer cannot take it
// away without confirmation either.
func TestFirstAnswersAreJudgedBesideWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answer: func(context.Context, int, uint64) (Snapshot, error) { return named(3), nil }}
		w := &Watcher{Source: s, Wait: time.Minute, Known: many(100, 4)}
		var emitted []Snapshot
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.Run(ctx, func(s Snapshot) { emitted = append(emitted, s) })
		if len(emitted) == 0 || len(emitted[0].Instances) != 4 || emitted[0].Doubt == "" || !w.Status().Answered.IsZero() {
			t.Errorf("emitted %+v", emitted)
		}
	})
}

// While an answer is doubted, what it says of those it has counts.
func TestWhatADoubtedAnswerHasCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		half := named(101, "a", "e")
		half.Instances[0].Declared.Status = health.Maintenance
		_, _, emitted, _ := doubting(t, time.Second, half, nil)
		if got, want := statuses(emitted[1]), "a=maintenance b=missing c=missing d=missing e=undeclared"; got != want {
			t.Errorf("emitted %s, want %s", got, want)
		}
	})
}
