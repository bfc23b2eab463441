package discovery

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// end is a place's that a test answers for.
type end struct {
	*Subscription
	status Status
	closed int
}

func ends(n int) (all []*end, places []Place) {
	for i := range n {
		e := &end{Subscription: &Subscription{C: make(chan Snapshot, 1)}}
		e.Subscription.status = func() Status { return e.status }
		e.Subscription.close = func() { e.closed++ }
		all = append(all, e)
		places = append(places, Place{Name: fmt.Sprint("dc", i+1), Watch: e.Subscription})
	}
	return all, places
}

func (e *end) answer(s Snapshot) {
	s.At = time.Now()
	e.status.Answered = s.At
	e.C <- s
	synctest.Wait()
}

func said(s *Subscription) string {
	synctest.Wait()
	select {
	case got := <-s.C:
		var out []string
		for _, i := range got.Instances {
			out = append(out, fmt.Sprint(i.ID, i.Priority))
		}
		return strings.Join(out, " ")
	default:
		return "nothing"
	}
}

func TestPlacesAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, places := ends(3)
		s := Merge(Snapshot{}, places...)
		for _, step := range []struct {
			place  int
			answer Snapshot
			want   string
		}{
			{1, named(5, "c"), "nothing"}, // the first place has a say before
			{0, named(7, "b", "a"), "a0 b0 c1"},
			{2, named(9, "b", "d"), "a0 b0 c1 d2"}, // what two have is the first one's
			{0, named(8, "a"), "a0 b2 c1 d2"},
			{0, named(9), "b2 c1 d2"},
		} {
			at[step.place].answer(step.answer)
			if got := said(s); got != step.want {
				t.Errorf("after place %d: %s, want %s", step.place, got, step.want)
			}
		}
		s.Close()
		s.Close()
		for i, e := range at {
			if e.closed != 1 {
				t.Errorf("place %d was closed %d times", i, e.closed)
			}
		}
	})
}

// Whatever becomes of one place, it keeps what it had and the others go on.
func TestPlacesThatFailStandInNobodysWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, places := ends(3)
		s := Merge(Snapshot{}, places...)
		defer s.Close()
		at[0].status.Err = errors.New("no path to datacenter")
		at[1].answer(named(5, "c"))
		at[2].answer(named(6, "d"))
		if got := said(s); got != "nothing" {
			t.Errorf("before the first had its time: %s", got)
		}
		time.Sleep(patience)
		if got := said(s); got != "c1 d2" {
			t.Errorf("without the first: %s", got)
		}
		st := s.Status()
		if len(st.Places) != 3 || st.Places[0].Err == nil || st.Places[0].Name != "dc1" || st.Places[1].Instances != 1 || st.Answered.IsZero() || st.Err != nil {
			t.Errorf("status %+v", st)
		}
		at[0].answer(named(9, "a"))
		at[0].status.Err = errors.New("gone again")
		at[1].answer(named(7, "c", "e"))
		if got := said(s); got != "a0 c1 d2 e1" {
			t.Errorf("after the first failed again: %s", got)
		}
		if st := s.Status(); st.Err == nil || len(st.Places) != 3 {
			t.Errorf("status %+v", st)
		}
	})
}

// What is known from before stands in for a place that has not answered.
func TestKnownPlacesAreNotLostToFasterOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := many(50, 4)
		known.Instances[3].Priority, known.Instances[3].Place = 1, 1
		if one := known.Of(1); len(one.Instances) != 1 || one.Instances[0].Priority != 0 || one.Instances[0].Place != 0 || one.At.IsZero() || !known.Of(2).At.IsZero() {
			t.Errorf("place 1 had %+v", one)
		}
		at, places := ends(3)
		s := Merge(known, places...)
		defer s.Close()
		if got := said(s); got != "nothing" {
			t.Errorf("what is known was told again: %s", got)
		}
		at[1].answer(named(5, "x"))
		if got := said(s); got != "i000000 i000010 i000020 x1" {
			t.Errorf("got %s", got)
		}
	})
}

// Places come one after the other, with all their own failover groups.
func TestGroupsOfPlacesStayInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, places := ends(3)
		s := Merge(Snapshot{}, places...)
		defer s.Close()
		own := named(7, "a", "b")
		own.Instances[1].Priority = 3
		at[0].answer(own)
		at[1].answer(named(8))
		own = named(9, "c", "d")
		own.Instances[1].Priority = 200
		at[2].answer(own)
		if got := said(s); got != "a0 b3 c5 d127" {
			t.Errorf("got %s", got)
		}
	})
}

// Doubt about one place is doubt about the whole, which is not kept then.
func TestDoubtAboutAPlaceShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, places := ends(2)
		s := Merge(Snapshot{}, places...)
		defer s.Close()
		at[0].answer(named(7, "a"))
		doubted := named(8, "b")
		doubted.Doubt, doubted.Skipped = "half are gone", []string{"x: no port"}
		at[1].answer(doubted)
		if got := <-s.C; got.Doubt != "dc2: half are gone" || got.Skipped[0] != "dc2: x: no port" || got.Index != 7 {
			t.Errorf("got %+v", got)
		}
	})
}
