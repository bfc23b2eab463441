package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// outage is a source of many watches, which errs until it is told not to.
type outage struct {
	mu    sync.Mutex
	fails func() error // nil for none
	asked []time.Time
}

func (o *outage) set(fails func() error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fails, o.asked = fails, nil
}

func (o *outage) ask() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, time.Now())
	if o.fails == nil {
		return nil
	}
	return o.fails()
}

// count is how often it was asked within the last while.
func (o *outage) count(while time.Duration) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, at := range o.asked {
		if time.Since(at) < while {
			n++
		}
	}
	return n
}

// most is the largest number of requests within d, without those of the
// beginning.
func (o *outage) most(d, beginning time.Duration) (most int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, first := range o.asked {
		end, _ := slices.BinarySearchFunc(o.asked, first.Add(d), time.Time.Compare)
		if first.Sub(o.asked[0]) >= beginning {
			most = max(most, end-i)
		}
	}
	return most
}

// herdOf is that many watches of an outage, all answered once.
func herdOf(o *outage, watches int) (hub *Hub[int], all []*Subscription) {
	hub = NewHub(func(key int) *Watcher {
		return &Watcher{Wait: time.Minute, Source: &scripted{answer: func(ctx context.Context, _ int, after uint64) (Snapshot, error) {
			if err := o.ask(); err != nil {
				return Snapshot{}, err
			}
			if after > 0 {
				if err := block(ctx, time.Minute); err != nil {
					return Snapshot{}, err
				}
				if err := o.ask(); err != nil { // what waits is hit too
					return Snapshot{}, err
				}
			}
			return named(7, fmt.Sprint(key)), nil
		}}}
	})
	for key := range watches {
		all = append(all, hub.Subscribe(key))
	}
	return hub, all
}

func wellAgain(all []*Subscription) (n int) {
	for _, s := range all {
		if st := s.Status(); st.Err == nil && st.Answers > 0 {
			n++
		}
	}
	return n
}

// However many watches there are and however long it takes, a source that errs
// is asked less than twice a second by all of them, and all are back two
// seconds after it is.
func TestRecovery(t *testing.T) {
	for _, watches := range []int{1, 5, 64} {
		synctest.Test(t, func(t *testing.T) {
			o := new(outage)
			hub, all := herdOf(o, watches)
			defer hub.Close()
			time.Sleep(2 * time.Minute)
			o.set(func() error { return errors.New("no leader") })
			time.Sleep(10 * time.Minute)
			if n := wellAgain(all); n > 0 {
				t.Fatalf("%d of %d are well", n, watches)
			}
			if n := o.count(10 * time.Minute); n > watches+2*600 || n < 450 {
				t.Errorf("%d watches ask %d times in ten minutes", watches, n)
			}
			// The first try of each goes beside: all of them wait when it begins.
			if n := o.most(10*time.Second, 2*time.Minute); n > 20 {
				t.Errorf("%d watches ask %d times in ten seconds", watches, n)
			}
			o.set(nil)
			time.Sleep(2 * time.Second)
			if n := wellAgain(all); n != watches {
				t.Errorf("after two seconds %d of %d are well", n, watches)
			}
		})
	}
}

// A source that answers some and errs for others is not stormed by those who
// follow the ones that it answers.
func TestRecoveryIsGradual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outage)
		hub, all := herdOf(o, 64)
		defer hub.Close()
		time.Sleep(2 * time.Minute)
		chance := rand.New(rand.NewPCG(1, 2))
		o.set(func() error {
			if chance.IntN(10) == 0 {
				return nil
			}
			return errors.New("overloaded")
		})
		time.Sleep(10 * time.Minute)
		if n := o.count(10 * time.Minute); n > 64+4*600 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		o.set(nil)
		time.Sleep(2 * time.Second)
		if n := wellAgain(all); n != len(all) {
			t.Errorf("after two seconds %d are well", n)
		}
	})
}

// A source that wants to be left alone is not asked before its time, unless
// another watch is answered.
func TestRecoveryIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outage)
		hub, all := herdOf(o, 8)
		defer hub.Close()
		time.Sleep(2 * time.Minute)
		n := 0
		o.set(func() error {
			if n++; n == 1 {
				return errors.New("the first errs otherwise")
			}
			return &Error{Class: "overloaded", Pause: 5 * time.Second, Err: errors.New("429")}
		})
		time.Sleep(time.Minute + 2*time.Second) // until all have failed
		o.mu.Lock()
		last := o.asked[len(o.asked)-1]
		o.mu.Unlock()
		for _, s := range all {
			if st := s.Status(); st.Class != "overloaded" || st.Pause < 5*time.Second {
				t.Errorf("it rests for %v after %v", st.Pause, st.Err)
			}
		}
		if n := wellAgain(all); n > 0 || time.Since(last) > time.Minute {
			t.Fatalf("%d are well", n)
		}
		o.set(nil)
		time.Sleep(30 * time.Second) // the longest of all the pauses is longer than that of the first
		if n := wellAgain(all); n != len(all) {
			t.Errorf("%d are well", n)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if first, last := o.asked[0], o.asked[len(all)-1]; last.Sub(first) > time.Second {
			t.Errorf("the others followed after %v", last.Sub(first))
		}
	})
}
