package discovery

import (
	"context"
	"time"
)

// trial is how an answer that was doubted comes to be believed or not: until
// then the source is asked for its highest authority's word, and nothing is
// lost.
type trial struct {
	suspicion Suspicion
	first     *Snapshot // the reading that the next one must bear out; nil if there is none
	readings  int
}

// suspect begins a trial. What woke this watch has likely woken many, so the
// first reading does not follow at once.
func (f *following) suspect(reason string, s Snapshot) rest {
	f.trial = &trial{suspicion: Suspicion{Reason: reason, Since: time.Now()}}
	f.hold(s)
	return rest{time: f.random(herd)}
}

// hold puts a doubted answer in force together with what it lacks.
func (f *following) hold(s Snapshot) {
	t := f.trial
	t.suspicion.Missing = len(missing(f.known, s))
	f.doubted(t.suspicion)
	if t.suspicion.Missing > 0 {
		f.emit(Quarantine(f.known, s, t.suspicion.Reason))
	}
}

// try takes one reading, and returns how long to rest after it.
func (f *following) try(ctx context.Context) rest {
	s, err := f.bounded(ctx, f.Source.Confirm)
	if err != nil {
		return f.fail(ctx, err)
	}
	f.answered()
	t, reason := f.trial, doubt(f.known, s)
	t.readings++
	switch {
	case reason == "", len(s.Instances) > 0 && len(missing(f.known, s)) == 0:
		f.believe(s, false) // all are back, or so many that the rest is plausible
		return rest{time: floor}
	case t.first != nil && bearsOut(f.known, *t.first, s):
		f.believe(s, true)
		return rest{time: floor}
	}
	t.first, t.suspicion.Reason, t.suspicion.Confirmations = &s, reason, 1
	f.hold(s)
	return rest{time: apart + f.random(bound(apart, t.readings)-apart)}
}
