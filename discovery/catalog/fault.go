package catalog

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A FaultKind is one way in which a catalog can misbehave.
type FaultKind string

// The faults. Some answer in place of the catalog, some spoil its answer.
const (
	NoLeader        FaultKind = "no-leader"         // 500 "No cluster leader"
	Forbidden       FaultKind = "forbidden"         // 403 "Permission denied"
	TooManyRequests FaultKind = "too-many-requests" // 429, and the connection closed
	Unavailable     FaultKind = "unavailable"       // 503, as when servers shed load
	Hang            FaultKind = "hang"              // no answer until the request's context or Run ends
	Slow            FaultKind = "slow"              // the answer, after Fault.Delay
	Truncated       FaultKind = "truncated"         // the body breaks off in the middle
	Null            FaultKind = "null"              // 200 and the body null
	IndexFalls      FaultKind = "index-falls"       // the index is half of what it is
	IndexZero       FaultKind = "index-zero"        // the index is 0
	IndexGarbage    FaultKind = "index-garbage"     // the index is not a number
	IndexMissing    FaultKind = "index-missing"     // there is no index
	NoLastContact   FaultKind = "no-last-contact"   // the header X-Consul-LastContact is missing
	Empty           FaultKind = "empty"             // 200 [] with index 1, no leader known
	ACLEmpty        FaultKind = "acl-empty"         // 200 [] marked as filtered by ACLs
	StaleViews      FaultKind = "stale-views"       // answers alternate with one frozen at the first request
)

func faultKinds() []FaultKind {
	return []FaultKind{
		NoLeader, Forbidden, TooManyRequests, Unavailable, Hang, Slow, Truncated, Null, IndexFalls, IndexZero,
		IndexGarbage, IndexMissing, NoLastContact, Empty, ACLEmpty, StaleViews,
	}
}

// A Fault says what goes wrong, where and how often.
type Fault struct {
	Kind FaultKind
	// Path is the prefix of the paths that suffer, such as
	// "/v1/health/service/web"; "" means all.
	Path string
	// Count is the number of requests that suffer before the fault clears
	// itself; 0 means that it stays until cleared.
	Count int
	// Delay before the answer; Slow only.
	Delay time.Duration
}

// Faults are the switches of a catalog. Of several that match a request the
// one set first is used. The methods may be called concurrently.
type Faults struct {
	stopped func() <-chan struct{} // the catalog's

	mu     sync.Mutex
	active []*activeFault
}

type activeFault struct {
	Fault
	hits   int
	frozen map[string]*frozenView // StaleViews: by path and parameters
}

// Faulty puts fault switches in front of another handler, such as a proxy to a
// real Consul. A request that hangs ends with its context.
func Faulty(next http.Handler) (http.Handler, *Faults) {
	f := newFaults(func() <-chan struct{} { return nil })
	return f.wrap(next), f
}

func newFaults(stopped func() <-chan struct{}) *Faults { return &Faults{stopped: stopped} }

// Set switches a fault on. It stays until its count is used up, until Clear, or
// until the function returned is called. The error is about a kind that does
// not exist, a negative count or a negative delay.
func (f *Faults) Set(fault Fault) (off func(), err error) {
	if !slices.Contains(faultKinds(), fault.Kind) {
		return nil, fmt.Errorf("catalog: no fault is called %q; use one of %q", fault.Kind, faultKinds())
	}
	if fault.Count < 0 || fault.Delay < 0 {
		return nil, fmt.Errorf("catalog: fault %s: count and delay must not be negative", fault.Kind)
	}
	set := &activeFault{Fault: fault, frozen: map[string]*frozenView{}}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = append(f.active, set)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.remove(set)
	}, nil
}

func (f *Faults) remove(set *activeFault) {
	f.active = slices.DeleteFunc(f.active, func(a *activeFault) bool { return a == set })
}

// Clear switches all faults off. Requests that hang keep hanging.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = nil
}

// Active lists the faults that are on, in the order in which they are looked
// at, with what is left of their counts.
func (f *Faults) Active() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []Fault{}
	for _, a := range f.active {
		left := a.Fault
		if left.Count > 0 {
			left.Count -= a.hits
		}
		list = append(list, left)
	}
	return list
}

// match takes one use of the first fault that concerns a path; nil if there is
// none.
func (f *Faults) match(path string) *activeFault {
	if path == faultPath {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.active {
		if strings.HasPrefix(path, a.Path) {
			a.hits++
			if a.hits == a.Count {
				f.remove(a)
			}
			return a
		}
	}
	return nil
}

// faultPath is where Options.FaultControl serves the switches.
const faultPath = "/v1/dev/fault"

func (f *Faults) list(http.ResponseWriter, *http.Request) (any, error) { return f.Active(), nil }

func (f *Faults) clear(http.ResponseWriter, *http.Request) (any, error) {
	f.Clear()
	return nil, nil
}

// put sets the fault described by ?kind, ?path, ?count and ?delay.
func (f *Faults) put(_ http.ResponseWriter, r *http.Request) (any, error) {
	p := r.URL.Query()
	fault := Fault{Kind: FaultKind(p.Get("kind")), Path: p.Get("path")}
	if text := p.Get("count"); text != "" {
		count, err := strconv.Atoi(text)
		if err != nil {
			return nil, failure(http.StatusBadRequest, "Invalid count %q", text)
		}
		fault.Count = count
	}
	if text := p.Get("delay"); text != "" {
		delay, err := time.ParseDuration(text)
		if err != nil {
			return nil, failure(http.StatusBadRequest, "Invalid delay %q", text)
		}
		fault.Delay = delay
	}
	if _, err := f.Set(fault); err != nil {
		return nil, failure(http.StatusBadRequest, "%s", err)
	}
	return nil, nil
}
