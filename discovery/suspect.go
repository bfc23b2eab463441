package discovery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Suspicion is what speaks against an answer that is not believed yet.
type Suspicion struct {
	Reason        string
	Since         time.Time
	Missing       int // instances that are kept though the answer lacks them
	Confirmations int // readings in a row that bore it out, of the Confirmations needed
}

// Confirmations is how many readings must agree before a suspicious answer is
// believed.
const Confirmations = 2

// A loss of fewer instances than this at once is not suspicious, however few
// there are.
const massLoss = 3

// doubt tells in words why an answer cannot be believed at once, "" if it can.
// It is judged beside the last one that was; a zero one stands for none.
//
// A catalog that lost its memory, cannot see its peers or no longer shows us
// anything answers well-formed and wrong. All of these look like a sudden
// loss, or like a return to the past.
func doubt(believed, answer Snapshot) string {
	known, lost := len(believed.Instances), len(missing(believed, answer))
	fell := answer.Index != 0 && answer.Index < believed.Index
	switch {
	case believed.At.IsZero() && len(answer.Instances) == 0:
		return "the first answer is empty"
	case lost == 0 && fell && !answer.Equal(believed):
		return fmt.Sprintf("the index fell from %d to %d", believed.Index, answer.Index)
	case lost == 0:
		return ""
	case len(answer.Instances) == 0 && answer.Index <= 1:
		return fmt.Sprintf("all of %d instances are gone, and index %d is that of a catalog which knows nothing yet", known, answer.Index)
	case len(answer.Instances) == 0:
		return fmt.Sprintf("all of %d instances are gone at once", known)
	case lost >= massLoss && 2*lost >= known:
		return fmt.Sprintf("%d of %d instances are gone at once", lost, known)
	case fell:
		return fmt.Sprintf("%d of %d instances are gone, and the index fell from %d to %d", lost, known, believed.Index, answer.Index)
	case answer.Origin.Hidden:
		return fmt.Sprintf("%d of %d instances are gone, and access rules hide some", lost, known)
	}
	return ""
}

// missing lists what an answer no longer has. An instance that came back under
// another ID at the same address is not missing.
func missing(believed, answer Snapshot) (out []Instance) {
	if len(believed.Instances) == 0 {
		return nil
	}
	ids, addresses := make(map[string]bool, len(answer.Instances)), make(map[string]bool, len(answer.Instances))
	for _, i := range answer.Instances {
		ids[i.ID], addresses[i.Address] = true, true
	}
	for _, i := range believed.Instances {
		if !ids[i.ID] && !addresses[i.Address] {
			out = append(out, i)
		}
	}
	return out
}

// Quarantine is what is in force while an answer is doubted: all that it says,
// and beside it what it lacks, as missing, so that nobody loses a backend. A
// Watcher does this itself; it also serves those who hold on to a service for a
// while after all of it was deregistered.
func Quarantine(believed, answer Snapshot, reason string) Snapshot {
	answer.Doubt = reason
	answer.Instances = slices.Clone(answer.Instances)
	for _, i := range missing(believed, answer) {
		i.Declared = health.Declaration{
			Status:        health.Missing,
			Output:        "not in the catalog's last answer, which is not believed yet: " + reason,
			WarningWeight: i.Declared.WarningWeight,
		}
		answer.Instances = append(answer.Instances, i)
	}
	slices.SortFunc(answer.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	return answer
}

// bearsOut tells whether a second reading confirms a first: what was missing
// still is, and the difference between the two would raise no doubt by itself.
// They need not be equal in all, for a large service always changes somewhere.
func bearsOut(believed, first, second Snapshot) bool {
	still := make(map[string]bool)
	for _, i := range missing(believed, second) {
		still[i.ID] = true
	}
	for _, i := range missing(believed, first) {
		if !still[i.ID] {
			return false
		}
	}
	return doubt(first, second) == ""
}
