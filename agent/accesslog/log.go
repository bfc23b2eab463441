package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The outputs that are no files.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// defaultBuffer is Config.Buffer where it is 0.
const defaultBuffer = 1 << 20

// gather is how long lines wait for others to be written with, unless the
// buffer fills.
const gather = 20 * time.Millisecond

// Config is how to log.
type Config struct {
	Format *Format
	Filter Filter
	Output string      // Stdout, Stderr or the path of a file, which is appended to
	Buffer int         // bytes of lines that wait to be written; as many are being written meanwhile. 0: 1 MiB
	Error  func(error) // hears once why lines are lost, and again after it went well; nil: nobody
}

// Log writes lines. Its methods may be called at any time from any goroutine;
// those of a nil Log do nothing.
type Log struct {
	format *Format
	filter Filter
	path   string // "" where it is no file
	report func(error)
	limit  int
	lines  sync.Pool // of *[]byte
	wake   chan struct{}
	full   chan struct{} // half, that is
	stop   chan struct{}
	ended  chan struct{}
	next   atomic.Pointer[os.File] // to write to from now on; nil: no other

	mu      sync.Mutex
	pending []byte // whole lines
	waiting int64  // how many
	closed  bool

	written, dropped, failed atomic.Int64

	// Of the writer alone.
	out     io.Writer
	file    *os.File // out, where it is to be closed
	spare   []byte
	torn    bool // the last line was written in part
	failing bool
}

// Open begins a log. The caller must call Close.
func Open(c Config) (*Log, error) {
	l := newLog(c)
	switch c.Output {
	case Stdout:
		l.out = os.Stdout
	case Stderr:
		l.out = os.Stderr
	default:
		l.path = c.Output
		f, err := openFile(l.path)
		if err != nil {
			return nil, err
		}
		l.out, l.file = f, f
	}
	go l.run()
	return l, nil
}

func newLog(c Config) *Log {
	l := &Log{
		format: c.Format, filter: c.Filter, report: c.Error, limit: c.Buffer,
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if l.limit == 0 {
		l.limit = defaultBuffer
	}
	l.lines.New = func() any { return new([]byte) }
	return l
}

func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return f, nil
}

// Headers are the names of the headers whose values Record wants to have.
func (l *Log) Headers() (request, response []string) {
	if l == nil {
		return nil, nil
	}
	return l.format.Headers()
}

// Record writes a line, if the filter wants it and there is room. It never
// blocks. It is false for a line that would have been written had the log not
// been closed: nothing of it is counted here, so that it may go to another log.
func (l *Log) Record(e *Entry) (open bool) {
	if l == nil || !l.filter.keeps(e) {
		return true
	}
	line := l.lines.Get().(*[]byte)
	*line = append(l.format.append((*line)[:0], e), '\n')
	open = l.put(*line)
	l.lines.Put(line)
	return open
}

func (l *Log) put(line []byte) (open bool) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return false
	}
	if len(l.pending)+len(line) > l.limit {
		l.mu.Unlock()
		l.dropped.Add(1)
		return true
	}
	l.pending = append(l.pending, line...)
	l.waiting++
	first, half := l.waiting == 1, len(l.pending) > l.limit/2
	l.mu.Unlock()
	if first {
		nudge(l.wake)
	}
	if half {
		nudge(l.full)
	}
	return true
}

// nudge leaves a word in a channel that holds one, if none is there yet.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stats counts lines.
type Stats struct {
	Written int64
	Dropped int64 // for want of room
	Failed  int64 // could not be written
}

// Stats returns what became of lines so far. Those that wait are in none.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	return Stats{l.written.Load(), l.dropped.Load(), l.failed.Load()}
}

// Reopen goes over to a new file of the same path, as after a rotation has
// renamed the one before. Where that cannot be opened the old one stays.
func (l *Log) Reopen() error {
	if l == nil || l.path == "" {
		return nil
	}
	f, err := openFile(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	closed := l.closed
	if !closed {
		f = l.next.Swap(f) // one that was not taken up yet
	}
	l.mu.Unlock()
	if f != nil {
		return f.Close()
	}
	nudge(l.wake)
	return nil
}

// Close writes what waits, and returns when that is done or ctx ends.
func (l *Log) Close(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	l.mu.Unlock()
	if first {
		close(l.stop)
	}
	select {
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("access log: lines are left that could not be written in time: %w", ctx.Err())
	}
}

// run writes what waits until the log is closed.
func (l *Log) run() {
	defer close(l.ended)
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for {
		select {
		case <-l.wake:
		case <-l.stop:
			l.flush()
			l.change(nil)
			return
		}
		timer.Reset(gather)
		select {
		case <-timer.C:
		case <-l.full:
		case <-l.stop:
		}
		l.flush()
	}
}

// flush writes what waits now.
func (l *Log) flush() {
	if f := l.next.Swap(nil); f != nil {
		l.change(f)
	}
	l.mu.Lock()
	lines, n := l.pending, l.waiting
	l.pending, l.waiting = l.spare[:0], 0
	l.mu.Unlock()
	l.spare = lines
	if n == 0 {
		return
	}
	lost := l.write(lines)
	l.failed.Add(lost)
	l.written.Add(n - lost)
}

// write writes lines, and returns how many of them are lost.
func (l *Log) write(lines []byte) (lost int64) {
	if l.torn { // so that the next line does not go on from a part of another
		if _, err := l.out.Write([]byte{'\n'}); err != nil {
			return l.fail(lines, err)
		}
		l.torn = false
	}
	n, err := l.out.Write(lines)
	if n < len(lines) {
		if err == nil {
			err = io.ErrShortWrite
		}
		l.torn = n > 0 && lines[n-1] != '\n'
		return l.fail(lines[n:], err)
	}
	l.failing = false
	return 0
}

func (l *Log) fail(lines []byte, err error) (lost int64) {
	if !l.failing && l.report != nil {
		l.report(fmt.Errorf("access log: lines are lost: %w", err))
	}
	l.failing = true
	return int64(bytes.Count(lines, []byte{'\n'}))
}

// change goes over to another file; nil is none.
func (l *Log) change(to *os.File) {
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	if to != nil {
		l.out, l.file, l.torn = to, to, false
	} else if left := l.next.Swap(nil); left != nil {
		err = errors.Join(err, left.Close())
	}
	if err != nil && l.report != nil {
		l.report(fmt.Errorf("access log: %w", err))
	}
}
