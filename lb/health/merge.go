package health

import "fmt"

// Evidence is all that is known of one server when its verdict is made.
type Evidence struct {
	Declared  Declaration
	Freshness Freshness
	Probe     ProbeStatus
	Ejected   bool
	Weight    int     // the full weight; below 1 counts as 1
	Before    Verdict // the verdict in force, which rule 3 keeps, and without which a server is new to rule 11
}

// Verdict is the merged word on one server.
type Verdict struct {
	State  State
	Rule   int  // the row of the table that matched, 1 to 13; 0 for the zero value
	Weight int  // the share to give it; 0 unless State is Up
	Stale  bool // Up only because a stale registry is no proof of the contrary
}

// words tells the rules to people, by number.
var words = [...]string{
	1:  "the catalog has it in maintenance",
	2:  "gone from the catalog",
	3:  "missing from the last catalog answer, which is not confirmed yet",
	4:  "the agent's own probe fails",
	5:  "ejected after failed requests",
	6:  "the catalog lost only its node, and the probe passes",
	7:  "the catalog says critical",
	8:  "the catalog said critical but is stale, and the probe passes",
	9:  "the catalog said critical before it went stale, and no probe says otherwise",
	10: "the catalog's word has expired, and no probe says otherwise",
	11: "new: waits for its first probe while others can serve",
	12: "the catalog says warning",
	13: "passing",
}

// Reason tells a person why e led to v.
func (v Verdict) Reason(e Evidence) string {
	if v.Rule < 1 || v.Rule >= len(words) {
		return "not judged yet"
	}
	reason := words[v.Rule]
	switch {
	case v.Rule == 13 && e.Declared.Status == Undeclared && e.Probe == Unprobed:
		reason = "configured, and nothing speaks against it"
	case v.Rule == 13 && e.Declared.Status == Undeclared:
		reason = "the agent's own probe passes"
		if e.Probe == Unproven {
			reason = "configured, and no probe speaks against it yet"
		}
	case v.Rule == 13:
		reason = "the catalog says passing"
		if e.Freshness != Fresh {
			reason = fmt.Sprintf("the catalog said passing before it went %s, and no probe says otherwise", e.Freshness)
			if e.Probe == ProbeUp {
				reason = fmt.Sprintf("the catalog said passing before it went %s, and the probe passes", e.Freshness)
			}
		}
	case v.Rule == 12 && v.State == Down:
		reason = "the catalog says warning, and its warning weight is 0"
	}
	if check := e.Declared.Check; check != "" {
		switch v.Rule {
		case 1, 6, 7, 8, 9, 12:
			reason += fmt.Sprintf(" (check %q)", check)
		}
	}
	return reason
}

// Merge makes one server's verdict: the first rule that matches wins. peerUp
// tells whether another server of the pool is up by more than the benefit of
// the doubt; it only matters to rule 11, by which a new server waits for its
// first probe. One that serves already goes on: else the first good probe
// after a start would leave all the traffic to one server.
//
// The order says who is believed. The operator first (1), then the registry
// about who exists at all (2, 3). Next what this process sees itself, since a
// registry can pass a server that cannot be reached from here (4, 5). Then
// the registry about health, more or less according to its freshness (6 to
// 13): a critical word counts even when stale, unless a probe disproves it,
// while a passing one is never held against a server.
func Merge(e Evidence, peerUp bool) Verdict {
	var (
		declared = e.Declared.Status
		full     = max(1, e.Weight)
		reduced  = max(1, e.Declared.WarningWeight)
	)
	switch {
	case declared == Maintenance:
		return Verdict{State: Draining, Rule: 1}
	case declared == Absent:
		return Verdict{State: Draining, Rule: 2}
	case declared == Missing:
		v := e.Before
		v.Rule = 3
		return v
	case e.Probe == ProbeDown:
		return Verdict{State: Down, Rule: 4}
	case e.Ejected:
		return Verdict{State: Ejected, Rule: 5}
	case declared == NodeCritical && e.Probe == ProbeUp:
		return Verdict{State: Up, Rule: 6, Weight: reduced}
	case declared.critical() && e.Freshness == Fresh:
		return Verdict{State: Down, Rule: 7}
	case declared.critical() && e.Probe == ProbeUp:
		return Verdict{State: Up, Rule: 8, Weight: reduced, Stale: true}
	case declared.critical():
		return Verdict{State: Down, Rule: 9}
	case e.Freshness == Expired && e.Probe != ProbeUp:
		return Verdict{State: Up, Rule: 10, Weight: reduced, Stale: true}
	case e.Probe == Unproven && peerUp && e.Before.State != Up:
		return Verdict{State: Pending, Rule: 11}
	case declared == Warning && e.Declared.WarningWeight <= 0:
		return Verdict{State: Down, Rule: 12}
	case declared == Warning:
		return Verdict{State: Up, Rule: 12, Weight: e.Declared.WarningWeight}
	}
	return Verdict{State: Up, Rule: 13, Weight: full}
}

// Policy is how a whole pool is judged.
type Policy struct {
	// PanicThreshold is the share of servers up, from 0 to 1, below which
	// verdicts are set aside and all servers are used: when most of a pool
	// looks dead, the looking is more likely broken than the pool, and the few
	// left would drown. 0 means never.
	PanicThreshold float64
}

// Decision is the word on a whole pool.
type Decision struct {
	Verdicts []Verdict // one for each Evidence, in the same order
	Usable   []int     // the positions that may be picked, ascending
	Panic    bool      // Usable was widened beyond the servers that are up
}

// Decide judges a pool. It is pure: the same evidence gives the same decision.
func (p Policy) Decide(pool []Evidence) Decision {
	d := Decision{Verdicts: make([]Verdict, len(pool)), Usable: make([]int, 0, len(pool))}
	peerUp := false
	for i, e := range pool {
		d.Verdicts[i] = Merge(e, false)
		if d.Verdicts[i].State == Up && e.Probe != Unproven {
			peerUp = true
		}
	}
	present := 0
	for i, e := range pool {
		if peerUp && e.Probe == Unproven {
			d.Verdicts[i] = Merge(e, true)
		}
		if d.Verdicts[i].State == Up {
			d.Usable = append(d.Usable, i)
		}
		if d.Verdicts[i].State != Draining {
			present++
		}
	}
	var wide []int
	switch {
	case float64(len(d.Usable)) < p.PanicThreshold*float64(present):
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
