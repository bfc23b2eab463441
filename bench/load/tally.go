package load

import "time"

// tally counts what one goroutine does.
type tally struct {
	run              *run
	times            histogram
	requests, errors int
	first            error
	warm             bool
}

func (t *tally) done(took time.Duration) {
	t.warmed()
	if t.run.phase.Load() == measuring {
		t.times.add(took)
		if t.requests++; t.requests == 1 {
			t.run.something()
		}
	}
}

func (t *tally) fail(err error) {
	t.warmed()
	if t.errors++; t.first == nil {
		t.first = err
	}
	if t.run.phase.Load() == measuring {
		t.run.something()
	}
}

// warmed notes that there was a first request.
func (t *tally) warmed() {
	if !t.warm {
		t.warm = true
		if t.run.cold.Add(-1) == 0 {
			close(t.run.warm)
		}
	}
}

func (r *run) something() { r.once.Do(func() { close(r.some) }) }
