package health

import "time"

// Policy is how a whole pool is judged. The zero value is the table of
// Policy.Merge, without a panic.
type Policy struct {
	Algebra  Algebra
	Warnings Warnings
	// CatalogFall is how long the catalog must speak against a server that is
	// up before that counts: an agent that restarts calls all its services
	// critical until their checks have run. 0: it counts at once, as it always
	// does against a server that is not up, and as maintenance does.
	CatalogFall time.Duration
	// PanicThreshold is the share of servers up, from 0 to 1, below which
	// verdicts are set aside and all servers are used: when most of a pool
	// looks dead, the looking is more likely broken than the pool, and the few
	// left would drown. 0 means never; only where nobody is up those ejected
	// are used all the same.
	PanicThreshold float64
	// FailClosed has requests refused where the pool would be widened: below
	// the threshold nobody is used, and those ejected never are. It is for
	// servers that a wrong request hurts more than none.
	FailClosed bool
}

// Decision is the word on a whole pool.
type Decision struct {
	Verdicts []Verdict // one for each Evidence, in the same order
	Usable   []int     // the positions that may be picked, ascending
	Panic    bool      // Usable was widened beyond the servers that are up, or closed to them
	PeerUp   bool      // a server is up by more than the benefit of the doubt, see Merge
}

// Decide judges a pool. It is pure: the same evidence gives the same decision.
func (p Policy) Decide(pool []Evidence) Decision {
	d := Decision{Verdicts: make([]Verdict, len(pool)), Usable: make([]int, 0, len(pool))}
	for i, e := range pool {
		d.Verdicts[i] = p.Merge(e, false)
		if d.Verdicts[i].State == Up && e.Probe != Unproven {
			d.PeerUp = true
		}
	}
	present := 0
	for i, e := range pool {
		if d.PeerUp && e.Probe == Unproven {
			d.Verdicts[i] = p.Merge(e, true)
		}
		if d.Verdicts[i].State == Up {
			d.Usable = append(d.Usable, i)
		}
		if d.Verdicts[i].State != Draining {
			present++
		}
	}
	few := float64(len(d.Usable)) < p.PanicThreshold*float64(present)
	if p.FailClosed {
		if few && len(d.Usable) > 0 {
			d.Usable, d.Panic = d.Usable[:0], true
		}
		return d
	}
	var wide []int
	switch {
	case few:
		wide = widen(pool, d.Verdicts)
	case len(d.Usable) == 0: // an ejected server beats none, whatever became of the others
		wide = ejected(d.Verdicts)
	}
	if len(wide) > len(d.Usable) {
		d.Usable, d.Panic = wide, true
	}
	return d
}

func ejected(verdicts []Verdict) (out []int) {
	for i, v := range verdicts {
		if v.State == Ejected {
			out = append(out, i)
		}
	}
	return out
}

// widen lists whom a panic uses: those that are up, and all that do not drain
// and that the registry does not call critical; where that leaves nobody, the
// critical ones too.
func widen(pool []Evidence, verdicts []Verdict) []int {
	var sound, all []int
	for i, v := range verdicts {
		if v.State == Draining {
			continue
		}
		all = append(all, i)
		if v.State == Up || !pool[i].Declared.Status.critical() {
			sound = append(sound, i)
		}
	}
	if len(sound) > 0 {
		return sound
	}
	return all
}
