package telemetry

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// gate is an exporter that lets batches through one by one, and keeps what they
// held.
type gate struct {
	pass chan error // what the next export comes to; closed: all go well

	mu      sync.Mutex
	batches [][]uint64 // the numbers that spans began with
	bytes   []int
}

func (g *gate) export(ctx context.Context, wire []byte) error {
	numbers, size := []uint64(nil), len(wire)
	for len(wire) > 0 {
		_, _, n := protowire.ConsumeTag(wire)
		span, m := protowire.ConsumeBytes(wire[n:])
		if m < 0 {
			return protowire.ParseError(m)
		}
		numbers = append(numbers, binary.BigEndian.Uint64(span))
		wire = wire[n+m:]
	}
	g.mu.Lock()
	g.batches, g.bytes = append(g.batches, numbers), append(g.bytes, size)
	g.mu.Unlock()
	select {
	case err := <-g.pass:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) Shutdown(context.Context) error { return nil }

func (g *gate) seen() [][]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.batches)
}

// numbered is bytes that say which they are, in place of a span.
func numbered(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func TestSpanQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, e := &gate{pass: make(chan error)}, newExports()
		q := newSpanQueue(batching{queue: 7, batch: 3, delay: time.Second, timeout: time.Minute}, e, g)
		for n := range 10 {
			q.put(numbered(n))
		}
		synctest.Wait()
		if got := g.seen(); len(got) != 1 || !slices.Equal(got[0], []uint64{0, 1, 2}) {
			t.Fatalf("%v went at first", got)
		}
		if got := fatesOf(&e.spans); got != (counted{offered: 10, dropped: 3}) {
			t.Errorf("%+v", got)
		}
		g.pass <- nil // makes room for three
		synctest.Wait()
		q.put(numbered(10))
		synctest.Wait()
		g.pass <- errors.New("refused") // of 3, 4 and 5
		synctest.Wait()
		if got := g.seen(); len(got) != 2 {
			t.Fatalf("%v went, though the last is not full", got)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := g.seen(); len(got) != 3 || !slices.Equal(got[2], []uint64{6, 10}) {
			t.Fatalf("%v went in the end", got)
		}
		g.pass <- nil
		synctest.Wait()
		if got := fatesOf(&e.spans); got != (counted{offered: 11, dropped: 3, exported: 5, failed: 3}) || e.tracesFailed.Load() != 1 {
			t.Errorf("%+v", got)
		}
		q.put(numbered(11))
		close(g.pass)
		if err := q.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		q.put(numbered(12)) // too late
		if got := fatesOf(&e.spans); got != (counted{offered: 13, dropped: 4, exported: 6, failed: 3}) {
			t.Errorf("%+v", got)
		}
	})
}

// What an exporter does not take is given up in time, and Shutdown does not
// wait longer than it may.
func TestSpanQueueThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, e := &gate{pass: make(chan error)}, newExports()
		q := newSpanQueue(batching{queue: 10, batch: 1, delay: time.Second, timeout: time.Minute}, e, g)
		start := time.Now()
		for n := range 3 {
			q.put(numbered(n))
		}
		time.Sleep(time.Minute + time.Second)
		if got := fatesOf(&e.spans); got != (counted{offered: 3, failed: 1}) {
			t.Errorf("after a minute %+v", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(start); took != time.Minute+2*time.Second {
			t.Errorf("Shutdown came back after %v", took)
		}
		e.stop()
		<-q.ended
		if got := fatesOf(&e.spans); got != (counted{offered: 3, failed: 3}) {
			t.Errorf("in the end %+v", got)
		}
	})
}

// However long spans are, neither a batch nor the queue is longer than it may.
func TestSpanQueueOfLongSpans(t *testing.T) {
	g, e := &gate{pass: make(chan error)}, newExports()
	const long = 64 << 10
	q := newSpanQueue(batching{queue: 1000, batch: 1000, delay: time.Hour, timeout: time.Hour}, e, g)
	for n := range 1000 {
		q.put(append(numbered(n), bytes.Repeat([]byte{'x'}, long)...))
	}
	if kept := e.spans.waiting() * long; kept > 1000*spanBytes || kept < 1000*spanBytes-2*long {
		t.Errorf("%d bytes are kept", kept)
	}
	close(g.pass)
	if err := q.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, size := range g.bytes {
		if size > batchBytes+2*long {
			t.Errorf("a batch of %d bytes", size)
		}
	}
	if got := fatesOf(&e.spans); got.exported+got.dropped != 1000 || got.dropped == 0 {
		t.Errorf("%+v", got)
	}
	if q.room != 1000*spanBytes || q.held != 0 {
		t.Errorf("there is room for %d bytes, and %d spans are held", q.room, q.held)
	}
}

// Spans of many goroutines get through whole, each once.
func TestSpanQueueOfMany(t *testing.T) {
	g, e := &gate{pass: make(chan error)}, newExports()
	close(g.pass)
	q := newSpanQueue(batching{queue: 1 << 20, batch: 100, delay: time.Millisecond, timeout: time.Hour}, e, g)
	const each = 2000
	var all sync.WaitGroup
	for from := range 8 {
		all.Go(func() {
			for n := range each {
				q.put(numbered(from*each + n))
			}
		})
	}
	all.Wait()
	if err := q.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	numbers := slices.Concat(g.batches...)
	slices.Sort(numbers)
	if len(numbers) != 8*each || len(slices.Compact(numbers)) != 8*each {
		t.Errorf("%d of %d spans came", len(numbers), 8*each)
	}
}
