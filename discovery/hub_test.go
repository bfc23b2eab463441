package discovery

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// watched is a hub of sources that have nothing new, at most limit at once.
func watched(limit int) (hub *Hub[int], sources map[int]*scripted) {
	sources = make(map[int]*scripted)
	hub = NewHub(func(key int) *Watcher {
		sources[key] = &scripted{answer: func(ctx context.Context, _ int, after uint64) (Snapshot, error) {
			var err error
			if after > 0 {
				err = block(ctx, time.Minute)
			}
			return named(7, fmt.Sprint(key)), err
		}}
		return &Watcher{Source: sources[key], Wait: time.Minute}
	})
	hub.Cap = limit
	return hub, sources
}

// More watches than may wait at the source are served all the same.
func TestWatchesBeyondTheCapPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, sources := watched(10)
		defer hub.Close()
		var warned []int
		hub.Crowded = func(n, limit int) { warned = append(warned, n) }
		var all []*Subscription
		for key := range 12 {
			all = append(all, hub.Subscribe(key))
		}
		if fmt.Sprint(warned) != "[9 10 11 12]" {
			t.Errorf("warned at %v", warned)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for key, s := range all {
			if got := <-s.C; len(got.Instances) != 1 || s.Status().Polling != (key >= 10) {
				t.Errorf("%d: %+v, polling %t", key, got, s.Status().Polling)
			}
			waited := 0
			for _, after := range sources[key].asked {
				if after > 0 {
					waited++
				}
			}
			if n := len(sources[key].asked); key >= 10 && (waited > 0 || n < 30 || n > 55) {
				t.Errorf("%d asked %d times, of which %d waited", key, n, waited)
			}
		}
		all[3].Close()
		all[11].Close()
		if all[10].Status().Polling {
			t.Error("there is room, and it still polls")
		}
		if late := hub.Subscribe(99); !late.Status().Polling {
			t.Error("there is no room for another")
		}
	})
}

func TestSubscribersThatKnowSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := watched(0)
		defer hub.Close()
		known := many(100, 5)
		s := hub.Resume(1, known)
		time.Sleep(10 * time.Second)
		if got := <-s.C; got.Doubt == "" || len(got.Instances) != 6 {
			t.Errorf("got %+v", got)
		}
		if other := hub.Subscribe(2); other.Status().Suspicion != nil {
			t.Error("another watch knows what this one does")
		}
	})
}

func TestHubSharesWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened, sources := make(map[string]int), make(map[string]*scripted)
		hub := NewHub(func(key string) *Watcher {
			opened[key]++
			sources[key] = &scripted{answer: func(ctx context.Context, n int, after uint64) (Snapshot, error) {
				var err error
				if n > 1 {
					err = block(ctx, time.Second)
				}
				return named(uint64(n+1), fmt.Sprint(key, n)), err
			}}
			return &Watcher{Wait: time.Minute, Source: sources[key]}
		})
		one, two, other := hub.Subscribe("a"), hub.Subscribe("a"), hub.Subscribe("b")
		if opened["a"] != 1 || opened["b"] != 1 || hub.Len() != 2 {
			t.Errorf("opened %v", opened)
		}
		time.Sleep(10 * time.Second)
		first, second := <-one.C, <-two.C
		if !first.Equal(second) || first.Index < 3 {
			t.Errorf("two subscribers got %v and %v, want the latest", first, second)
		}
		late := hub.Subscribe("a")
		if got := <-late.C; !got.Equal(first) { // at once, though nothing changed
			t.Errorf("who came late got %v", got)
		}
		if one.Status().Answers == 0 {
			t.Error("no status")
		}
		for _, s := range []*Subscription{one, two, one, late} {
			s.Close()
		}
		synctest.Wait()
		asked := len(sources["a"].asked)
		time.Sleep(time.Minute)
		if hub.Len() != 1 || len(sources["a"].asked) != asked {
			t.Errorf("%d watches are left, and the one nobody listens to asked %d times more", hub.Len(), len(sources["a"].asked)-asked)
		}
		again := hub.Subscribe("a")
		if opened["a"] != 2 {
			t.Error("a watch that had ended was not opened again")
		}
		hub.Close() // ends the rest; synctest would tell
		again.Close()
		other.Close()
	})
}
