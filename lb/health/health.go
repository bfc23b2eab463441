// Package health decides which servers may be given traffic.
//
// Three witnesses speak about a server: a registry that declares it (Status,
// with a Freshness), probes that this process makes itself (ProbeStatus), and
// what real requests met there (ejection). Policy.Decide merges what they say
// into one Verdict a server, by a table whose first matching rule wins, and
// each Verdict names its rule; Policy.WouldChange tells what it would take for
// another. A Scheduler makes the probes, within a Budget, and Damping keeps out
// whoever flaps. The package imports only the standard library.
package health

// State is the merged word on a server.
type State uint8

const (
	Unseen   State = iota // zero value: no verdict yet
	Up                    // takes traffic
	Pending               // new, waits for its first probe
	Down                  // takes none
	Ejected               // takes none for a while, because of failed requests or of flapping
	Draining              // takes no new requests, those in flight finish
)

// String gives the word that status pages and logs use.
func (s State) String() string {
	return name(s, "unseen", "up", "pending", "down", "ejected", "draining")
}

// Status is what a registry declares of a server.
type Status uint8

const (
	Undeclared   Status = iota // zero value: no registry has a say; taken as Passing
	Passing                    // all checks pass, or there are none
	Warning                    // the worst check warns
	NodeCritical               // critical, but only because the node's own agent is lost
	Critical                   // a check of the service or its node is critical
	Maintenance                // the operator's word; no policy overrides it
	Missing                    // not in the last answer, and nothing has confirmed that yet
	Absent                     // confirmed gone
)

// String gives the word that status pages and logs use.
func (s Status) String() string {
	return name(s, "undeclared", "passing", "warning", "node_critical", "critical", "maintenance", "missing", "absent")
}

func (s Status) critical() bool { return s == NodeCritical || s == Critical }

// Declaration is a registry's opinion of one server. The zero value says that
// no registry has one.
type Declaration struct {
	Status        Status
	Check         string // the check that decided, "" where none did
	Output        string // what that check printed
	WarningWeight int    // the weight while warning; 0 means no traffic then
}

// Freshness says how far a registry's last word can be trusted.
type Freshness uint8

const (
	Fresh   Freshness = iota // zero value: the registry answers
	Stale                    // overdue; its word still counts, but a probe's counts more
	Expired                  // so old that it only says the server once existed
)

// String gives the word that status pages and logs use.
func (f Freshness) String() string { return name(f, "fresh", "stale", "expired") }

// ProbeStatus is what this process's own probes say.
type ProbeStatus uint8

const (
	Unprobed ProbeStatus = iota // zero value: nobody probes
	Unproven                    // probed, but neither way decided yet
	ProbeUp
	ProbeDown
)

// String gives the word that status pages and logs use.
func (p ProbeStatus) String() string { return name(p, "off", "unknown", "up", "down") }

func name[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "invalid"
}
