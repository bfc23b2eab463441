package health

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Margins is how far a server is from a change of its evidence.
type Margins struct {
	Rise     int           // good probes in a row that would bring the probes' word to up; 0: nobody probes
	Fall     int           // bad ones that would bring it to down
	Regain   int           // good probes in a row that would end its ejection; 0: none would
	Failures int           // failed requests in a row that would eject it; 0: none would
	Ejected  time.Duration // until its ejection ends
	Damped   time.Duration // until it has settled, if it does
	PeerUp   bool          // another server is up, see Policy.Merge
}

// WouldChange lists in plain words what would change a server's verdict: of one
// that is not up, each smallest set of changes by which it would be, and of one
// that is, each by which it would no longer. Left out is what people do:
// maintenance, removal, marks. It is pure, and shows p's rules by trying them.
func (p Policy) WouldChange(e Evidence, m Margins) (changes []string) {
	now := p.Merge(e, m.PeerUp).State
	moves := p.worsening(e, m)
	if now != Up {
		moves = p.improving(e, m)
	}
	var minimal []uint
	for size := 1; size <= len(moves); size++ {
		for set := uint(1); set < 1<<len(moves); set++ {
			if bits.OnesCount(set) != size || holds(set, minimal) {
				continue
			}
			then, peerUp, clauses := e, m.PeerUp, []string(nil)
			for i, move := range moves {
				if set>>i&1 != 0 {
					move.apply(&then, &peerUp)
					clauses = append(clauses, move.words)
				}
			}
			state := p.Merge(then, peerUp).State
			if (state == Up) == (now == Up) {
				continue
			}
			minimal = append(minimal, set)
			changes = append(changes, fmt.Sprintf("%v when %s", state, strings.Join(clauses, " and ")))
		}
	}
	return changes
}

// holds tells whether set has one of others in it.
func holds(set uint, others []uint) bool {
	for _, o := range others {
		if set&o == o {
			return true
		}
	}
	return false
}

// move is one change of evidence.
type move struct {
	words string
	apply func(e *Evidence, peerUp *bool)
}

func declares(words string, s Status, against time.Duration) move {
	return move{"the catalog " + words, func(e *Evidence, _ *bool) {
		e.Declared.Status, e.Freshness, e.Against = s, Fresh, against
	}}
}

// improving is what can come to the help of a server that is not up.
func (p Policy) improving(e Evidence, m Margins) (moves []move) {
	if e.Ejected {
		moves = append(moves, move{"its ejection ends" + in(m.Ejected), func(e *Evidence, _ *bool) { e.Ejected = false }})
	}
	if e.Damped {
		moves = append(moves, move{"it has settled" + in(m.Damped), func(e *Evidence, _ *bool) { e.Damped = false }})
	}
	switch {
	case (e.Probe == ProbeDown || e.Probe == Unproven) && m.Rise > 0:
		moves = append(moves, move{"its probe passes" + times(m.Rise), func(e *Evidence, _ *bool) { e.Probe = ProbeUp }})
	case e.Ejected && m.Regain > 0 && p.Algebra != MergeCatalog:
		moves = append(moves, move{"its probe passes" + times(m.Regain), func(e *Evidence, _ *bool) { e.Ejected = false }})
	}
	switch e.Declared.Status {
	case Maintenance:
		moves = append(moves, declares("ends its maintenance", Passing, 0))
	case Missing, Absent:
		moves = append(moves, declares("lists it again", Passing, 0))
	case Warning, NodeCritical, Critical:
		moves = append(moves, declares("says passing", Passing, 0))
	}
	if m.PeerUp && e.Probe == Unproven {
		moves = append(moves, move{"no other server is up", func(_ *Evidence, peerUp *bool) { *peerUp = false }})
	}
	return moves
}

// worsening is what can come over a server that is up.
func (p Policy) worsening(e Evidence, m Margins) (moves []move) {
	if e.Probe != ProbeDown && m.Fall > 0 {
		moves = append(moves, move{"its probe fails" + times(m.Fall), func(e *Evidence, _ *bool) { e.Probe = ProbeDown }})
	}
	status, lasting := e.Declared.Status, ""
	if p.CatalogFall > 0 {
		lasting = " for " + p.CatalogFall.String()
	}
	if status == Passing {
		moves = append(moves, declares("says warning"+lasting, Warning, p.CatalogFall))
	}
	if status == Passing || status == Warning {
		moves = append(moves, declares("says critical"+lasting, Critical, p.CatalogFall))
	}
	if status == Missing {
		moves = append(moves, declares("confirms that it is gone", Absent, 0))
	}
	if p.early(e) {
		left := p.CatalogFall - e.Against
		moves = append(moves, move{"the catalog still says so" + in(left), func(e *Evidence, _ *bool) { e.Against = p.CatalogFall }})
	} else if e.Freshness != Fresh && p.SpeaksAgainst(e.Declared) {
		moves = append(moves, declares("answers again and still says "+status.String(), status, max(e.Against, p.CatalogFall)))
	}
	if m.Failures > 0 {
		words := fmt.Sprintf("%d requests in a row fail", m.Failures)
		if m.Failures == 1 {
			words = "the next request fails"
		}
		moves = append(moves, move{words, func(e *Evidence, _ *bool) { e.Ejected = true }})
	}
	return moves
}

func times(n int) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(" %d times in a row", n)
}

// in tells a time that is left, to the second.
func in(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " in " + max(d.Round(time.Second), time.Second).String()
}
