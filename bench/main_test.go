package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/bench/proc"
)

func TestMain(m *testing.M) {
	if code, played := playPart(); played {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// bench runs the bench, and checks that nothing is left of it.
func bench(t *testing.T, ctx context.Context, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	t.Setenv("TMPDIR", t.TempDir())
	code = run(ctx, &out, &errs, args)
	if tree, err := proc.Of(os.Getpid()); err != nil || len(tree) > 1 {
		t.Errorf("processes left: %v, %v", tree, err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "outrigger-bench-*")); len(left) > 0 {
		t.Errorf("files left: %v", left)
	}
	return out.String(), errs.String(), code
}

// TestShortRound plays every row against the agent and ReverseProxy.
func TestShortRound(t *testing.T) {
	playRound(t, floorName, directName)
}

// TestPeers plays every row against those peers that are on this machine.
func TestPeers(t *testing.T) {
	for _, name := range []string{haproxyName, nginxName} {
		t.Run(name, func(t *testing.T) {
			names := []string{name}
			if name == haproxyName {
				names = append(names, spliceName)
			}
			if found, missing := findPeers(names); len(found) < len(names) {
				t.Skip(missing)
			}
			playRound(t, names...)
		})
	}
}

func playRound(t *testing.T, names ...string) {
	dir := t.TempDir()
	jsonFile, svgFile := filepath.Join(dir, "b.json"), filepath.Join(dir, "b.svg")
	stdout, stderr, code := bench(t, t.Context(), "-short", "-peers", strings.Join(names, ","), "-json", jsonFile, "-svg", svgFile)
	if code != 0 {
		t.Fatalf("code %d\n%s\n%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(jsonFile)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != len(rows(0)) {
		t.Errorf("%d rows", len(r.Rows))
	}
	for _, o := range r.Rows {
		if !strings.Contains(stdout, "\n"+o.Name+": ") {
			t.Errorf("%s is not printed", o.Name)
		}
		for _, name := range append([]string{agentName}, names...) {
			got, ok := o.of(name)
			if !ok {
				continue // it does not take part; who has to is checked below
			}
			if got.Errors > 0 || got.Error != "" || len(got.Samples) != 1 {
				t.Errorf("%s, %s: %d samples, %d errors: %s", o.Name, name, len(got.Samples), got.Errors, got.Error)
			}
			main := o.Metrics[0]
			if name == directName {
				main = rate
			}
			if got.Metrics[main].Median <= 0 && main != growth {
				t.Errorf("%s, %s: %s is %+v", o.Name, name, main, got.Metrics[main])
			}
		}
		ours, _ := o.of(agentName)
		if o.Metrics[0] != growth && ours.Ratios[names[0]][o.Metrics[0]].Median <= 0 {
			if _, ok := o.of(names[0]); ok || names[0] != nginxName { // which may lack TCP
				t.Errorf("%s: no ratio to %s", o.Name, names[0])
			}
		}
	}
	wellFormed(t, svgFile)
}

func wellFormed(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "default.pgo")
	_, stderr, code := bench(t, t.Context(), "-short", "-rows", "c64,tcp,h2c,idle", "-pgo", file)
	text, err := os.ReadFile(file)
	if code != 0 || err != nil || !bytes.HasPrefix(text, []byte("\x1f\x8b")) {
		t.Errorf("code %d, %v, %d bytes\n%s", code, err, len(text), stderr)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	go func() {
		// Once the backends, the floor and the generator are there.
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if tree, _ := proc.Of(os.Getpid()); len(tree) > backends+2 {
				break
			}
		}
		cancel()
	}()
	_, stderr, code := bench(t, ctx, "-rows", "c1", "-duration", "5m", "-agent", "/bin/true", "-peers", "direct,reverseproxy")
	if code != 1 || !strings.Contains(stderr, context.Canceled.Error()) || time.Since(began) > time.Minute {
		t.Errorf("code %d after %v: %s", code, time.Since(began), stderr)
	}
}

// TestAgentThatEnds has a build that is none: the others are measured, and the
// table says what became of it.
func TestAgentThatEnds(t *testing.T) {
	stdout, _, code := bench(t, t.Context(), "-short", "-rows", "c1", "-agent", "broken=/bin/false", "-peers", "reverseproxy")
	if code != 0 || !strings.Contains(stdout, "✗ broken: it has ended: exit status 1") || strings.Contains(stdout, "✗ reverseproxy") {
		t.Errorf("code %d:\n%s", code, stdout)
	}
}

func TestMistakes(t *testing.T) {
	for _, args := range [][]string{
		{"-peers", "squid"}, {"-rounds", "many"}, {"row"},
	} {
		if _, stderr, code := bench(t, t.Context(), args...); code != 2 || stderr == "" {
			t.Errorf("%v: code %d, %q", args, code, stderr)
		}
	}
	for _, args := range [][]string{
		{"-rows", "c2"}, {"-rows", "("}, {"-agent", "no/such/file"},
	} {
		if _, stderr, code := bench(t, t.Context(), args...); code != 1 || stderr == "" {
			t.Errorf("%v: code %d, %q", args, code, stderr)
		}
	}
	if _, stderr, code := bench(t, t.Context(), "-h"); code != 0 || !strings.Contains(stderr, "-rounds") {
		t.Errorf("-h: code %d, %q", code, stderr)
	}
}
