package telemetry

import (
	"sync"
	"testing"
)

func TestRoom(t *testing.T) {
	var f fates
	r := newRoom(10, &f)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r.take()
			}
		})
	}
	wg.Wait()
	if got := f.read(); got != (Fates{Offered: 800, Dropped: 790, Waiting: 10}) {
		t.Errorf("%+v", got)
	}
	r.leave(4, nil)
	if !r.take() {
		t.Error("no room where some left")
	}
}

// What comes after the end is dropped, and waits for nothing.
func TestTellingAfterTheEnd(t *testing.T) {
	rig := newRig(t, trusting())
	if err := rig.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	carry(rig.Observer("web", nil), request("GET", "http://web.local/"), good)
	rig.Tell(LevelInfo, "told", ConfigReloaded{})
	if s := rig.Stats(); s.Spans != (Fates{Offered: 2, Dropped: 2}) || s.Records != (Fates{Offered: 1, Dropped: 1}) {
		t.Errorf("%+v", s)
	}
}
