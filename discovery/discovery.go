// Package discovery follows what a catalog says of a service's instances.
//
// A Source answers one question about one service; a Watcher asks it again and
// again, by the rules that keep a catalog from being hammered and a watch from
// going deaf; a Hub lets all who ask for the same share one Watcher. Whatever
// goes wrong, the last good answer stays in force, and an answer that looks
// more like a fault than like the truth is confirmed before it is believed.
package discovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Instance is one backend, as a catalog tells it.
type Instance struct {
	ID      string // unique in its snapshot, and the same from one to the next
	Address string // host:port or unix:///path
	Weight  int    // at least 1
	Zone    string
	// Priority is that of its failover group, 0 the first; places that are
	// merged come one after the other.
	Priority int
	Place    int               // the position of the place it was found in; see Merge
	Metadata map[string]string // must not be changed
	Declared health.Declaration
	// Checks are what Declared was made of, for people to read; they are not
	// archived. They must not be changed.
	Checks []Check `json:"-"`
}

// Check is one check of an instance, as the catalog tells it.
type Check struct {
	ID      string
	Name    string
	Status  string // in the catalog's own words
	Output  string // the beginning of it
	Node    bool   // of the node, and so of all that is on it
	Ignored bool   // had no say in Declared, as was asked for
}

// equal leaves out what checks printed: many print something new each time.
func (i Instance) equal(o Instance) bool {
	i.Declared.Output, o.Declared.Output = "", ""
	return i.ID == o.ID && i.Address == o.Address && i.Weight == o.Weight && i.Zone == o.Zone &&
		i.Priority == o.Priority && i.Declared == o.Declared && maps.Equal(i.Metadata, o.Metadata)
}

// Snapshot is all that a catalog said of a service at one moment. It is never
// changed after it was made.
type Snapshot struct {
	Index     uint64     // the catalog's own version; only equality and order mean something
	At        time.Time  // when the answer arrived
	Instances []Instance // sorted by ID
	Skipped   []string   // why entries were left out, for people
	Notes     []string   // what was odd about entries that are in, for people
	Origin    Origin
	// Doubt is why the answer is not believed yet. It then holds, beside what
	// was answered, the instances that the answer lacks, declared Missing.
	Doubt string
}

// Origin is who gave an answer, and what that says about its worth.
type Origin struct {
	Server     string // the address that was asked
	Datacenter string // "" means the server's own
	// Streamed answers come from a copy that is kept up to date, and tell
	// neither Leader nor Lag nor Hidden.
	Streamed bool
	Leader   bool          // the server knew the leader of its cluster
	Lag      time.Duration // since the server last heard from that leader
	Hidden   bool          // something was left out for want of permission
}

// Equal tells whether two snapshots mean the same to whoever sends traffic,
// whenever and as whatever version. Checks and their output may differ.
func (s Snapshot) Equal(o Snapshot) bool {
	return s.Doubt == o.Doubt && slices.EqualFunc(s.Instances, o.Instances, Instance.equal) &&
		slices.Equal(s.Skipped, o.Skipped) && slices.Equal(s.Notes, o.Notes)
}

// Source answers about one service.
type Source interface {
	// Fetch returns the present state. With an after other than 0 it waits
	// until there is one of another index, or as long as the source is set to
	// wait. It returns when ctx ends.
	Fetch(ctx context.Context, after uint64) (Snapshot, error)
	// Confirm returns the present state as the highest authority knows it,
	// without a wait and from no cache. It fails where the answer may not be
	// the whole truth: no leader is known, something was hidden, or there is
	// nothing to see and no proof that it would have been shown.
	Confirm(ctx context.Context) (Snapshot, error)
}

// Error is one that a Source knows more about.
type Error struct {
	Class string        // what kind of trouble, in one word, for counters
	Pause time.Duration // the least time to leave the source alone, and half of the longest; 0: the usual
	// Sooner is closed when trying again makes sense before the pause is over;
	// nil says that there is no knowing.
	Sooner <-chan struct{}
	Err    error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Class, e.Err) }
func (e *Error) Unwrap() error { return e.Err }
