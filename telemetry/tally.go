package telemetry

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// tallied are the counters of events: what their series are about, and the
// words that tell these apart. There is a zero for every word from the start,
// so that the first event is a change too.
var tallied = []struct {
	counter string
	of      attribute.Key       // keyUpstream, keyService or "" for the agent
	only    func(Upstream) bool // of which upstreams; nil: all
	label   attribute.Key       // "" with one word
	words   []string
}{
	{backendChanges, keyUpstream, nil, labelState, backendWords()},
	{panicChanges, keyUpstream, nil, labelState, []string{"on", "off"}},
	{circuitChanges, keyUpstream, breaking, labelState, circuitWords()},
	{discoveryChanges, keyUpstream, cataloged, "", []string{""}},
	{discoveryFreshness, keyUpstream, cataloged, labelState, []string{health.Fresh.String(), health.Stale.String(), health.Expired.String()}},
	{discoveryHolds, keyUpstream, cataloged, labelState, []string{"on", "off"}},
	{discoveryWatches, keyService, nil, labelState, []string{
		string(WatchAnswers), string(WatchFails), string(WatchDoubted), string(WatchConfirmed), string(WatchRejected),
		string(WatchReset), string(WatchHidden),
	}},
	{registrationChanges, "", nil, labelState, []string{
		string(Registered), string(RegistrationLost), string(Deregistered), string(RegistrationStays),
		string(RegistrationFails), string(RegistrationResumed),
	}},
	{configReloads, "", nil, labelResult, []string{outcomeOK, outcomeFailed}},
}

func cataloged(u Upstream) bool { return u.Catalog != nil }
func breaking(u Upstream) bool  { return u.Breaker }

// backendRemoved is what becomes of a backend in the end.
const backendRemoved = "removed"

// backendWords are those of outrigger.backend.count, and removed.
func backendWords() []string {
	var words []string
	for _, row := range backendStates {
		words = append(words, row.word)
	}
	return append(words, backendRemoved)
}

func backendWord(s health.State, removed bool) string {
	if removed {
		return backendRemoved
	}
	for _, row := range backendStates {
		for _, state := range row.states {
			if state == s {
				return row.word
			}
		}
	}
	return other
}

// tally counts events. The zero value is ready.
type tally struct {
	mu     sync.Mutex
	counts map[count]int64
	known  map[string]bool // upstreams, when last collected
}

func (t *tally) add(c count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[count]int64)
	}
	t.counts[c]++
}

// observe tells of all counts, and forgets those of upstreams that are gone.
// An upstream may be told of before it is there.
func (t *tally) observe(o observation, all []Upstream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	present := make(map[string]bool, len(all))
	for _, u := range all {
		present[u.Name] = true
	}
	services := make(map[string]bool)
	for c := range t.counts {
		switch {
		case c.counter == discoveryWatches:
			services[c.of] = true
		case t.known[c.of] && !present[c.of]:
			delete(t.counts, c)
		}
	}
	t.known = present
	for _, row := range tallied {
		series := func(of string) {
			for _, word := range row.words {
				var labels []attribute.KeyValue
				if row.of != "" {
					labels = append(labels, row.of.String(text(of)))
				}
				if row.label != "" {
					labels = append(labels, row.label.String(word))
				}
				o.int(row.counter, t.counts[count{row.counter, of, word}], attribute.NewSet(labels...))
			}
		}
		switch row.of {
		case keyUpstream:
			for _, u := range all {
				if row.only == nil || row.only(u) {
					series(u.Name)
				}
			}
		case keyService:
			for service := range services {
				series(service)
			}
		default:
			series("")
		}
	}
}
