package proxy

import (
	"sync"
	"time"
)

// watchdog ends a try whose present phase takes too long. Phases change far
// more often than they run out, so a change only notes the new time; the one
// timer finds out when it fires that it has to wait on.
type watchdog struct {
	bite func(*failure)

	mu    sync.Mutex
	timer *time.Timer
	fires time.Time // when the timer does; zero while it is not set
	until time.Time // when the phase runs out; zero for never
	phase *failure
	done  bool
}

// watch begins a phase that may last for d; 0 means for ever.
func (w *watchdog) watch(phase *failure, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phase = phase
	if d <= 0 || w.done {
		w.until = time.Time{}
		return
	}
	w.until = time.Now().Add(d)
	switch {
	case w.timer == nil:
		w.timer = time.AfterFunc(d, w.fire)
	case w.fires.IsZero() || w.until.Before(w.fires):
		w.timer.Reset(d)
	default:
		return
	}
	w.fires = w.until
}

func (w *watchdog) fire() {
	w.mu.Lock()
	w.fires = time.Time{}
	left := time.Until(w.until)
	if w.until.IsZero() || w.done || left > 0 {
		if !w.until.IsZero() && !w.done {
			w.fires = w.until
			w.timer.Reset(left)
		}
		w.mu.Unlock()
		return
	}
	w.done = true
	phase := w.phase
	w.mu.Unlock()
	w.bite(phase)
}

// stop ends the watch.
func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
