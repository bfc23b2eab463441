package telemetry

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// fieldsOf are a record's attributes, as text.
func fieldsOf(r sdklog.Record) map[string]string {
	m := make(map[string]string)
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		m[string(kv.Key)] = kv.Value.String()
		return true
	})
	return m
}

func TestEvents(t *testing.T) {
	rig := newRig(t, trusting())
	for _, test := range []struct {
		event Event
		name  string
		want  map[string]string
	}{
		{BackendChanged{
			Upstream: "web", Backend: "a", Zone: "z1", Address: "10.0.0.7:80", From: health.Verdict{State: health.Unseen},
			To: health.Verdict{State: health.Up, Rule: 9}, Reason: "fine",
		}, "outrigger.backend.state_changed", map[string]string{
			"outrigger.upstream.name": "web", "outrigger.backend.id": "a", "outrigger.backend.zone": "z1", "network.peer.address": "10.0.0.7",
			"network.peer.port": "80", "outrigger.backend.state": "up", "outrigger.backend.previous_state": "unseen", "outrigger.rule": "9", "outrigger.reason": "fine",
		}},
		{BackendChanged{Backend: "a", From: health.Verdict{State: health.Draining}, To: health.Verdict{State: health.Draining, Rule: 2}},
			"outrigger.backend.state_changed", map[string]string{
				"outrigger.backend.id": "a", "outrigger.backend.state": "removed", "outrigger.backend.previous_state": "draining", "outrigger.rule": "2",
			}},
		{BackendChanged{To: health.Verdict{State: health.Ejected, Rule: 5}}, "outrigger.backend.ejected",
			map[string]string{"outrigger.backend.state": "ejected", "outrigger.backend.previous_state": "unseen", "outrigger.rule": "5"}},
		{PanicChanged{Upstream: "web", Usable: 1, Known: 3, On: true}, "outrigger.panic.state_changed",
			map[string]string{"outrigger.upstream.name": "web", "outrigger.state": "on", "outrigger.backend.usable": "1", "outrigger.backend.count": "3"}},
		{DiscoveryUpdated{Upstream: "web", Index: 1 << 63, Backends: 2}, "outrigger.discovery.updated",
			map[string]string{"outrigger.upstream.name": "web", "outrigger.discovery.index": "9223372036854775807", "outrigger.backend.count": "2"}},
		{FreshnessChanged{Upstream: "web", Freshness: health.Stale, Age: 90 * time.Second}, "outrigger.discovery.freshness_changed",
			map[string]string{"outrigger.upstream.name": "web", "outrigger.state": "stale", "outrigger.discovery.age": "90"}},
		{HoldChanged{Upstream: "web", Backends: 2}, "outrigger.discovery.hold_changed",
			map[string]string{"outrigger.upstream.name": "web", "outrigger.state": "off", "outrigger.backend.count": "2"}},
		{WatchChanged{Service: "web in dc2", State: WatchFails, Class: "network", Err: errors.New("refused")}, "outrigger.discovery.error",
			map[string]string{"outrigger.discovery.service": "web in dc2", "outrigger.state": "fails", "error.type": "network", "outrigger.error.message": "refused"}},
		{WatchChanged{Service: "web", State: WatchDoubted, Index: 7, Reason: "all gone", Missing: 3}, "outrigger.discovery.state_changed",
			map[string]string{
				"outrigger.discovery.service": "web", "outrigger.state": "doubted", "outrigger.discovery.index": "7",
				"outrigger.reason": "all gone", "outrigger.discovery.missing": "3",
			}},
		{RegistrationChanged{Service: "shop", ID: "shop-1", State: RegistrationFails, Class: "server", Err: errors.New("500")}, "outrigger.registration.state_changed",
			map[string]string{
				"outrigger.discovery.service": "shop", "outrigger.registration.id": "shop-1", "outrigger.state": "fails",
				"error.type": "server", "outrigger.error.message": "500",
			}},
		{ConfigReloaded{Upstreams: 2}, "outrigger.config.reloaded", map[string]string{"outrigger.state": "ok", "outrigger.upstream.count": "2"}},
		{ConfigReloaded{Err: errors.New("bad")}, "outrigger.config.reloaded", map[string]string{"outrigger.state": "failed", "outrigger.error.message": "bad"}},
	} {
		rig.Tell(LevelWarn, "what happened", test.event)
		records := rig.logs.take()
		if len(records) != 1 {
			t.Fatalf("%d records of %+v", len(records), test.event)
		}
		r := records[0]
		if r.EventName() != test.name || r.Severity() != log.SeverityWarn || r.SeverityText() != "warn" || r.Body().AsString() != "what happened" {
			t.Errorf("%+v: %s, %v, %q", test.event, r.EventName(), r.Severity(), r.Body().AsString())
		}
		if time.Since(r.Timestamp()) > time.Minute || r.InstrumentationScope().Name != scope || r.InstrumentationScope().Version != "1.2.3" {
			t.Errorf("%v of %+v", r.Timestamp(), r.InstrumentationScope())
		}
		got := fieldsOf(r)
		for key, want := range test.want {
			if got[key] != want {
				t.Errorf("%s: %s is %q, not %q", test.name, key, got[key], want)
			}
			delete(got, key)
		}
		if len(got) > 0 {
			t.Errorf("%s: also %v", test.name, got)
		}
		if c := test.event.count(); !slices.ContainsFunc(Instruments(), func(i Instrument) bool { return i.Name == c.counter }) {
			t.Errorf("%s is counted by %q, which is no instrument", test.name, c.counter)
		}
	}
}

// Every word that an event is counted by has its series.
func TestEveryStateIsCounted(t *testing.T) {
	words := make(map[string][]string)
	for _, row := range tallied {
		words[row.counter] = row.words
	}
	for s := health.Unseen; s <= health.Draining; s++ {
		c := BackendChanged{To: health.Verdict{State: s}}.count()
		if !slices.Contains(words[c.counter], c.word) {
			t.Errorf("%v is counted as %q", s, c.word)
		}
	}
	for f := health.Fresh; f <= health.Expired; f++ {
		if c := (FreshnessChanged{Freshness: f}).count(); !slices.Contains(words[c.counter], c.word) {
			t.Errorf("%v is counted as %q", f, c.word)
		}
	}
}

// Lines go along from their level on, and tell of the request that they are
// about.
func TestLinesOfTheLog(t *testing.T) {
	c := trusting()
	c.Logs.Level = LevelInfo
	rig := newRig(t, c)
	rig.Log(Line{Logger: "outrigger.web", Level: LevelDebug, Message: "too little"})
	if got := rig.logs.take(); len(got) != 0 {
		t.Errorf("%d records", len(got))
	}
	rig.Log(Line{Logger: "outrigger.web", Level: LevelError, Message: "broke \xff", Fields: []any{
		"trace_id", callersTrace, "span_id", callersSpan, "trace_flags", "01",
		"backend", "a", "n", 3, "big", int64(4), "index", uint64(5), "share", 0.5, "on", true, "age", 1500 * time.Millisecond,
		"error", errors.New("refused"), "", "nameless", 7, "seven", "odd",
	}})
	records := rig.logs.take()
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	r := records[0]
	if r.TraceID().String() != callersTrace || r.SpanID().String() != callersSpan || !r.TraceFlags().IsSampled() {
		t.Errorf("of span %v %v %v", r.TraceID(), r.SpanID(), r.TraceFlags())
	}
	if r.EventName() != "" || r.InstrumentationScope().Name != "outrigger.web" || r.Severity() != log.SeverityError || r.Body().AsString() != "broke \uFFFD" {
		t.Errorf("%q %q %v %q", r.EventName(), r.InstrumentationScope().Name, r.Severity(), r.Body().AsString())
	}
	got := fieldsOf(r)
	for key, want := range map[string]string{
		"backend": "a", "n": "3", "big": "4", "index": "5", "share": "0.5", "on": "true", "age": "1.5", "error": "refused", "7": "seven",
	} {
		if got[key] != want {
			t.Errorf("%s is %q", key, got[key])
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("also %v", got)
	}
	rig.Log(Line{Level: LevelInfo, Fields: []any{"trace_id", "zz", "span_id", 5, "trace_flags", "ff"}})
	if got := rig.logs.take(); got[0].TraceID().IsValid() || len(fieldsOf(got[0])) != 3 {
		t.Errorf("nonsense is lost: %v", fieldsOf(got[0]))
	}
}

func TestLevels(t *testing.T) {
	for _, word := range []string{"trace", "debug", "info", "warn", "error"} {
		if got := LevelOf(word).String(); got != word {
			t.Errorf("%s became %s", word, got)
		}
	}
	if LevelOf("loud") != 0 || LevelOf("off") != 0 || Level(9).String() != "off" {
		t.Error("a level that is none")
	}
}
