package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/load"
)

// TestTurns has three take turns, of whom one cannot be started, and one does
// not play this row.
func TestTurns(t *testing.T) {
	var progress bytes.Buffer
	r, err := newRunner(t.Context(), t.TempDir(), pace{rounds: 3, duration: 20 * time.Millisecond}, &progress)
	defer r.close()
	if err != nil {
		t.Fatal(err)
	}
	broken := 0
	all := []contender{
		{name: "a"}, {name: "b"},
		{name: "broken", command: func(layout) (command, error) {
			broken++
			return command{}, errors.New("no such thing")
		}},
		{name: "elsewhere", plays: func(row) bool { return false }},
	}
	results, err := r.row(t.Context(), row{name: "c2", plan: load.Plan{Kind: load.HTTP, Connections: 2, Answer: 10}}, all)
	if err != nil {
		t.Fatal(err)
	}
	var turns []string
	for part := range strings.SplitSeq(progress.String(), "\r\033[K") {
		if _, who, ok := strings.Cut(part, ": "); ok {
			turns = append(turns, who)
		}
	}
	// With the broken one the second round would begin with b, and the third
	// with it.
	if !slices.Equal(turns, []string{"a", "b", "b", "a", "a", "b"}) {
		t.Errorf("turns: %v", turns)
	}
	if len(results) != 3 || broken != 1 {
		t.Fatalf("%d take part, and the broken one was started %d times", len(results), broken)
	}
	for _, m := range results[:2] {
		if len(m.samples) != 3 || m.err != nil || m.samples[2][rate] <= 0 {
			t.Errorf("%s: %v, %v", m.contender.name, m.samples, m.err)
		}
	}
	if results[2].err == nil || len(results[2].samples) > 0 {
		t.Errorf("broken: %+v", results[2])
	}
}

// TestErrorsMark has a row of which every answer is wrong.
func TestErrorsMark(t *testing.T) {
	r, err := newRunner(t.Context(), t.TempDir(), pace{rounds: 2, duration: 20 * time.Millisecond}, new(bytes.Buffer))
	defer r.close()
	if err != nil {
		t.Fatal(err)
	}
	const tooMuch = 2 * mib // for a backend
	w := row{name: "c1", plan: load.Plan{Kind: load.HTTP, Connections: 1, Answer: tooMuch}, metrics: []metric{cpu, rate}}
	results, err := r.row(t.Context(), w, []contender{{name: "direct"}})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := outcomeOf(w, results).of("direct")
	if got.Errors < 2 || !strings.Contains(got.Error, "404") || !strings.HasPrefix(got.marked(), "✗") || len(got.Samples) != 2 {
		t.Errorf("%+v", got)
	}
}
