package health

import "fmt"

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
	14: "not for long enough to count yet",
	15: "the catalog alone decides",
	16: "the probe passes, which decides",
	17: "either is enough",
	18: "kept out because it flaps",
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
	case v.Rule == 12 && v.State == Down && e.Declared.WarningWeight > 0:
		reason = "the catalog says warning, and that takes it out"
	case v.Rule == 12 && v.State == Down:
		reason = "the catalog says warning, and its warning weight is 0"
	case v.Rule == 14:
		reason = e.said() + ", but " + reason
	case v.Rule == 15, v.Rule == 16:
		reason = e.said() + ", and " + reason
		if v.Rule == 16 && e.Declared.Status != Passing && e.Declared.Status != Undeclared {
			reason = e.said() + ", but " + words[16]
		}
	case v.Rule == 17 && e.Probe == ProbeUp:
		reason = e.said() + ", but the probe passes, and " + reason
	case v.Rule == 17:
		reason = e.said() + ", though the probe fails, and " + reason
	}
	if check := e.Declared.Check; check != "" {
		switch v.Rule {
		case 1, 6, 7, 8, 9, 12, 14, 15, 16, 17:
			reason += fmt.Sprintf(" (check %q)", check)
		}
	}
	return reason
}

// said is the catalog's word, as a sentence.
func (e Evidence) said() string {
	word := e.Declared.Status.String()
	switch {
	case e.Declared.Status == Undeclared:
		return "no catalog speaks of it"
	case e.Declared.Status == NodeCritical:
		word = "critical of its node"
	}
	if e.Freshness != Fresh {
		return fmt.Sprintf("the catalog said %s before it went %s", word, e.Freshness)
	}
	return "the catalog says " + word
}
