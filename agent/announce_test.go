package agent

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// TestWhatIsTold takes an agent through everything, and holds what it told in
// one way against the others.
func TestWhatIsTold(t *testing.T) {
	p := paces(t)
	if t.Failed() {
		return
	}
	t.Run("lines, events and counters agree", p.agree)
	t.Run("the registry is the whole truth", p.declared)
}

// line is a line of the log.
type line map[string]any

func (l line) text(key string) string { s, _ := l[key].(string); return s }

func (p *paced) lines(t *testing.T) (lines []line) {
	for text := range strings.Lines(p.log) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		lines = append(lines, l)
	}
	return lines
}

// Each change of state is one line, one event and one count.
func (p *paced) agree(t *testing.T) {
	lines, events, rest := make(map[string]int), make(map[string]int), make(map[string]int)
	for _, l := range p.lines(t) {
		name := l.text("event")
		if name == "" {
			rest[l.text("@module")+": "+l.text("@message")]++
			continue
		}
		lines[name+": "+l.text("@message")]++
	}
	counters := make(map[string]telemetry.EventKind)
	for _, kind := range telemetry.Declared().Events {
		counters[kind.Name] = kind
	}
	counts := make(map[string]map[string]float64)
	sent := make(map[string]int)
	for _, r := range p.records {
		if r.EventName == "" {
			sent[r.scope+": "+r.Body.GetStringValue()]++
			continue
		}
		events[r.EventName+": "+r.Body.GetStringValue()]++
		counter := counters[r.EventName].Counter
		if counts[counter] == nil {
			counts[counter] = make(map[string]float64)
		}
		counts[counter][seriesOf(countedAs(r.LogRecord))]++
	}
	if !maps.Equal(lines, events) {
		t.Errorf("lines: %v\nevents: %v", lines, events)
	}
	for name := range counters {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(events)), func(e string) bool { return strings.HasPrefix(e, name+": ") }) {
			t.Errorf("%s never came about", name)
		}
	}
	for counter, want := range counts {
		got := maps.Clone(p.sums[counter])
		maps.DeleteFunc(got, func(_ string, n float64) bool { return n == 0 })
		if !maps.Equal(got, want) {
			t.Errorf("%s counts %v, and there are events for %v", counter, got, want)
		}
	}
	// What is no change of state goes along from its level on, but for what
	// telemetry itself complains of, until the last flush.
	for told, n := range sent {
		if rest[told] < n {
			t.Errorf("%q was sent %d times and logged %d times", told, n, rest[told])
		}
	}
	for _, want := range []string{"web: serving", "agent: draining"} {
		scope, message, _ := strings.Cut(want, ": ")
		if scope == "agent" {
			scope = ""
		}
		if sent[scope+": "+message] == 0 {
			t.Errorf("%q was not sent: %v", want, sent)
		}
	}
}

// countedAs are the labels by which an event is counted.
func countedAs(r *logspb.LogRecord) (labels []*commonpb.KeyValue) {
	words := map[string]string{"up": "healthy", "down": "unhealthy", "pending": "warming"}
	label := func(key, value string) {
		labels = append(labels, &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}})
	}
	for key, value := range textsOf(r.Attributes) {
		switch {
		case key == "outrigger.upstream.name",
			key == "outrigger.discovery.service" && r.EventName != "outrigger.registration.state_changed":
			label(key, value)
		case key == "outrigger.backend.state":
			if word, ok := words[value]; ok {
				value = word
			}
			label("state", value)
		case key == "outrigger.state" && r.EventName == "outrigger.config.reloaded":
			label("result", value)
		case key == "outrigger.state":
			label("state", value)
		}
	}
	return labels
}

// A prepared query that cannot be read is told of like a watch that fails.
func TestPreparedQueryIsToldOf(t *testing.T) {
	consul := startConsul(t)
	a := run(t, parse(t, `
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { prepared_query = "any-web" }
		}`, consul.address))
	counted := func(state string) func() bool {
		return func() bool {
			_, text := get(t, a.url("admin")+"/metrics")
			return strings.Contains(text, `outrigger_discovery_state_changes_total{outrigger_discovery_service="prepared query any-web",state="`+state+`"} 1`)
		}
	}
	eventually(t, "the failure is counted", counted("fails"))
	consul.query(t, `{"Name": "any-web", "Service": {"Service": "web"}}`)
	eventually(t, "the answer is counted", counted("answers"))
}
