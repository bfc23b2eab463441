package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/proc"
)

// TestStop ends one that will not, and what it has started.
func TestStop(t *testing.T) {
	out := make(lines, 1)
	p, err := start(command{args: []string{"sh", "-c", "trap '' TERM; sleep 60 & echo ready; wait"}}, out)
	if err != nil {
		t.Skip(err) // no shell
	}
	<-out
	tree, err := proc.Of(p.pid())
	if err != nil || len(tree) != 2 {
		t.Fatalf("%v, %v", tree, err)
	}
	if err := p.running(); err != nil {
		t.Error(err)
	}
	p.stopWithin(10 * time.Millisecond)
	if p.running() == nil {
		t.Error("it still runs")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := tree[1:].Usage(); err != nil {
			return // its child is gone too
		}
		// Gone, but not yet waited for by whoever inherited it.
		if stat, _ := os.ReadFile("/proc/" + strconv.Itoa(tree[1]) + "/stat"); strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("its child still runs")
		}
	}
}

func TestWhatItSaidLast(t *testing.T) {
	p, err := start(command{args: []string{"sh", "-c", "echo because >&2; exit 3"}}, nil)
	if err != nil {
		t.Skip(err)
	}
	defer p.stop()
	if err := p.wait(t.Context()); err == nil || !strings.Contains(err.Error(), "because") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
}

func TestTail(t *testing.T) {
	var kept tail
	for range 100 {
		_, _ = kept.Write([]byte(strings.Repeat("x", 100) + "\n"))
	}
	_, _ = kept.Write([]byte("the end\n"))
	if s := kept.String(); len(s) > tailSize || !strings.HasSuffix(s, "x\nthe end") {
		t.Errorf("%d bytes: %q", len(s), s)
	}
}

func TestPlainEnv(t *testing.T) {
	got := plainEnv([]string{"PATH=/bin", "OTEL_EXPORTER_OTLP_ENDPOINT=x", "GOGC=50", "CONSUL_HTTP_TOKEN=x"})
	if !slices.Equal(got, []string{"PATH=/bin", "GOGC=50"}) {
		t.Errorf("%v", got)
	}
}
