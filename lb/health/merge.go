package health

import "time"

// Evidence is all that is known of one server when its verdict is made.
type Evidence struct {
	Declared  Declaration
	Freshness Freshness
	Against   time.Duration // how long Declared has spoken against it without a break, see Policy.SpeaksAgainst
	Probe     ProbeStatus
	Ejected   bool
	Damped    bool    // kept out because it flaps
	Weight    int     // the full weight; below 1 counts as 1
	Before    Verdict // the verdict in force, which rules 3 and 14 keep, and without which a server is new to rule 11
}

// Verdict is the merged word on one server.
type Verdict struct {
	State  State
	Rule   int  // the row of the table that matched, 1 to 18; 0 for the zero value
	Weight int  // the share to give it; 0 unless State is Up
	Stale  bool // Up only because a stale registry is no proof of the contrary
}

// Merge makes one server's verdict. peerUp tells whether another server of the
// pool is up by more than the benefit of the doubt; it only matters to rule
// 11, by which a new server waits for its first probe. One that serves already
// goes on: else the first good probe after a start would leave all the traffic
// to one server.
//
// By MergeWorst the first rule that matches wins, and the order says who is
// believed. The operator first (1), then the registry about who exists at all
// (2, 3). Next what this process sees itself, since a registry can pass a
// server that cannot be reached from here (4, 5). Then the registry about
// health, more or less according to its freshness (6 to 13): a critical word
// counts even when stale, unless a probe disproves it, while a passing one is
// never held against a server. Where that word takes out a server that was up
// but has not lasted Policy.CatalogFall, rule 14 keeps it as it was.
//
// The other algebras go by the same rules, and by one of their own each where
// those would have it otherwise: 15 by MergeCatalog, 16 by MergeProbe, 17 by
// MergeAny. Rule 18, last of all, keeps out a server that flaps and would not be out
// anyway.
func (p Policy) Merge(e Evidence, peerUp bool) Verdict {
	v := p.worst(e, peerUp)
	if v.Rule <= 3 {
		return v
	}
	switch p.Algebra {
	case MergeCatalog:
		v = p.catalog(e, v)
	case MergeProbe:
		v = p.probe(e, v)
	case MergeAny:
		v = p.either(e, v)
	}
	if v.State == Down && v.Rule != 4 && p.early(e) {
		v = e.kept()
	}
	if e.Damped && (v.State == Up || v.State == Pending) {
		return Verdict{State: Ejected, Rule: 18}
	}
	return v
}

// worst is MergeWorst's word, without delay and damping.
func (p Policy) worst(e Evidence, peerUp bool) Verdict {
	var (
		declared = e.Declared.Status
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
	case declared == Warning && p.SpeaksAgainst(e.Declared):
		return Verdict{State: Down, Rule: 12}
	case declared == Warning && p.Warnings == WarningReduced:
		return Verdict{State: Up, Rule: 12, Weight: e.Declared.WarningWeight}
	case declared == Warning:
		return Verdict{State: Up, Rule: 12, Weight: max(1, e.Weight)}
	}
	return Verdict{State: Up, Rule: 13, Weight: max(1, e.Weight)}
}

// catalog is MergeCatalog's word where MergeWorst's is v: the same table,
// without a probe.
func (p Policy) catalog(e Evidence, v Verdict) Verdict {
	decided := e.Probe == ProbeUp || e.Probe == ProbeDown
	e.Probe = Unprobed
	alone := p.worst(e, false)
	switch alone.Rule {
	case 9, 10, 13: // whose words tell what the probe says
		if decided && alone != v {
			alone.Rule = 15
		}
	}
	return alone
}

// probe is MergeProbe's word where MergeWorst's is v.
func (p Policy) probe(e Evidence, v Verdict) Verdict {
	if e.Probe != ProbeUp || e.Ejected || v.Rule == 13 {
		return v
	}
	return Verdict{State: Up, Rule: 16, Weight: max(1, e.Weight)}
}

// either is MergeAny's word where MergeWorst's is v. The catalog is for a server
// where it says so; that it says nothing, or said it too long ago, is enough
// for MergeWorst as long as no probe fails, but it is no word of its own.
func (p Policy) either(e Evidence, v Verdict) Verdict {
	early, said := p.early(e), e.Declared.Status == Passing || e.Declared.Status == Warning
	said = e.Freshness != Expired && (early || said && !p.SpeaksAgainst(e.Declared))
	switch {
	case v.State == Up, !said && e.Probe != ProbeUp:
		return v
	case e.Ejected:
		return Verdict{State: Ejected, Rule: 5}
	case early && e.Probe != ProbeUp:
		return e.kept()
	case e.Probe == Unproven:
		return p.worst(e, false)
	}
	return Verdict{State: Up, Rule: 17, Weight: max(1, e.Declared.WarningWeight)}
}

// SpeaksAgainst tells whether d alone would take a server out: it is critical,
// or a warning where that is as bad. Maintenance is no such word: it is about
// what somebody wants, not about health.
func (p Policy) SpeaksAgainst(d Declaration) bool {
	warns := d.Status == Warning && (p.Warnings == WarningOut || p.Warnings == WarningReduced && d.WarningWeight <= 0)
	return warns || d.Status.critical()
}

// early tells that the catalog speaks against a server, but has not for long
// enough. A server that was not up gains nothing by that.
func (p Policy) early(e Evidence) bool {
	return e.Against < p.CatalogFall && e.Before.State == Up && p.SpeaksAgainst(e.Declared)
}

// kept is the verdict before, in force a while longer.
func (e Evidence) kept() Verdict {
	v := e.Before
	v.Rule = 14
	return v
}
