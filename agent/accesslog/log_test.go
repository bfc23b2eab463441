package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func parsed(t testing.TB, format string) *Format {
	t.Helper()
	f, err := Parse(format, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// begin runs a log that writes to out.
func begin(t testing.TB, c Config, out io.Writer) *Log {
	t.Helper()
	c.Output = Stdout
	if c.Format == nil {
		c.Format = parsed(t, "{path}")
	}
	c.Filter.Sample = 1
	l := newLog(c)
	l.out = out
	go l.run()
	return l
}

func end(t testing.TB, l *Log) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
}

// Every line of many writers is whole, and there once.
func TestLinesAreWhole(t *testing.T) {
	var out bytes.Buffer
	l := begin(t, Config{}, &out)
	const writers, each = 8, 2000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.Record(&Entry{Path: fmt.Sprintf("/%d/%d", w, i)})
			}
		})
	}
	wg.Wait()
	end(t, l)
	seen := make(map[string]bool)
	for line := range strings.Lines(out.String()) {
		if seen[line] || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q", line)
		}
		seen[line] = true
	}
	if got := l.Stats(); got != (Stats{Written: writers * each}) || len(seen) != writers*each {
		t.Errorf("%+v, %d lines", got, len(seen))
	}
	if before := l.Stats(); l.Record(&Entry{Path: "/late"}) || l.Stats() != before {
		t.Error("what comes after the end is taken")
	}
	end(t, l)
}

// blocked is an output that takes nothing until it is let.
type blocked struct {
	begun   chan struct{}
	release chan struct{}
	taken   atomic.Int64
}

func (b *blocked) Write(p []byte) (int, error) {
	select {
	case b.begun <- struct{}{}:
	default:
	}
	<-b.release
	b.taken.Add(int64(len(p)))
	return len(p), nil
}

// An output that hangs costs requests nothing, and memory no more than twice
// the buffer; what finds no room is counted.
func TestOutputThatHangs(t *testing.T) {
	out := &blocked{begun: make(chan struct{}, 1), release: make(chan struct{})}
	l := begin(t, Config{Buffer: 100}, out)
	l.Record(&Entry{Path: "/first"})
	<-out.begun
	for range 1000 {
		l.Record(&Entry{Path: "/12345678"}) // 10 bytes a line
	}
	if got := l.Stats(); got.Dropped != 990 || got.Written != 0 {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	close(out.release)
	end(t, l)
	if got := l.Stats(); got != (Stats{Written: 11, Dropped: 990}) || out.taken.Load() != 107 {
		t.Errorf("%+v, %d bytes", got, out.taken.Load())
	}
}

// failing is an output that fails as its answers have it.
type failing struct {
	bytes.Buffer
	room int // bytes that are taken yet
}

var errFull = errors.New("no space left")

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	f.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// A full disk costs the lines that it has no room for; it is told once, and the
// next line does not go on from a part of another.
func TestOutputThatIsFull(t *testing.T) {
	var told []error
	out := &failing{room: 6}
	l := newLog(Config{Format: parsed(t, "{path}"), Output: Stdout, Error: func(err error) { told = append(told, err) }})
	l.out = out
	flush := func(paths ...string) {
		for _, path := range paths {
			l.put([]byte(path + "\n"))
		}
		l.flush()
	}
	flush("/one", "/two") // "/one\n/" fits
	flush("/three")
	if got := l.Stats(); got != (Stats{Written: 1, Failed: 2}) || len(told) != 1 || !errors.Is(told[0], errFull) {
		t.Errorf("%+v; told %v", got, told)
	}
	out.room = 1000
	flush("/four")
	if got := out.String(); got != "/one\n/\n/four\n" {
		t.Errorf("%q", got)
	}
	out.room = 0
	flush("/five")
	if got := l.Stats(); got != (Stats{Written: 2, Failed: 3}) || len(told) != 2 {
		t.Errorf("%+v; told %v", got, told)
	}
}

// A rotation renames the file and has it opened again: nothing is lost.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Config{Format: parsed(t, "{path}"), Filter: Filter{Sample: 1}, Output: path})
	if err != nil {
		t.Fatal(err)
	}
	l.Record(&Entry{Path: "/one"})
	waitFor(t, func() bool { return l.Stats().Written == 1 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Record(&Entry{Path: "/two"})
	waitFor(t, func() bool { return l.Stats().Written == 2 })
	for range 3 { // each takes the place of the one before
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	l.Record(&Entry{Path: "/three"})
	end(t, l)
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{path + ".1": "before\n/one\n/two\n", path: "/three\n"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", filepath.Base(name), got, err)
		}
	}
}

func TestFilesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(Config{Format: parsed(t, "{path}"), Output: filepath.Join(dir, "none", "access.log")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	path := filepath.Join(dir, "access.log")
	l, err := Open(Config{Format: parsed(t, "{path}"), Filter: Filter{Sample: 1}, Output: path})
	if err != nil {
		t.Fatal(err)
	}
	l.path = dir
	if err := l.Reopen(); err == nil {
		t.Error("a directory was opened")
	}
	l.Record(&Entry{Path: "/goes on"})
	end(t, l)
	if got, _ := os.ReadFile(path); string(got) != "/goes\\x20on\n" {
		t.Errorf("%q", got)
	}
}

// Without a log nothing is logged, and nothing needs to ask.
func TestNoLog(t *testing.T) {
	var l *Log
	l.Record(whole())
	request, response := l.Headers()
	if err := errors.Join(l.Reopen(), l.Close(t.Context())); err != nil || request != nil || response != nil || l.Stats() != (Stats{}) {
		t.Errorf("%v", err)
	}
}

func TestFilter(t *testing.T) {
	ok, broken, slow, retried := &Entry{Status: 200, Attempts: 1}, &Entry{Status: 503}, &Entry{Status: 200, Duration: time.Second}, &Entry{Status: 200, Attempts: 2}
	for _, test := range []struct {
		name   string
		filter Filter
		keeps  []bool // ok, broken, slow, retried
	}{
		{"nothing", Filter{}, []bool{false, false, false, false}},
		{"all", Filter{Sample: 1}, []bool{true, true, true, true}},
		{"status", Filter{Statuses: []Statuses{{404, 404}, {500, 599}}}, []bool{false, true, false, false}},
		{"duration", Filter{MinDuration: time.Second}, []bool{false, false, true, false}},
		{"retried", Filter{Retried: true}, []bool{false, false, false, true}},
		{"any of them", Filter{Retried: true, MinDuration: time.Second}, []bool{false, false, true, true}},
	} {
		for i, e := range []*Entry{ok, broken, slow, retried} {
			if got := test.filter.keeps(e); got != test.keeps[i] {
				t.Errorf("%s: request %d is kept: %v", test.name, i, got)
			}
		}
	}
	f := Filter{Sample: 0.25}
	kept := 0
	const n = 20000
	for range n {
		if f.keeps(ok) {
			kept++
		}
	}
	if kept < n/4-n/40 || kept > n/4+n/40 { // eight standard deviations
		t.Errorf("%d of %d", kept, n)
	}
	// One trace is decided on alike, as traces are.
	low, high := &Entry{TraceID: [16]byte{8: 0x3f}}, &Entry{TraceID: [16]byte{8: 0x40}}
	for range 100 {
		if !f.keeps(low) || f.keeps(high) {
			t.Fatal("traces are decided on otherwise than by their IDs")
		}
	}
}

func waitFor(t testing.TB, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to that")
		}
	}
}
