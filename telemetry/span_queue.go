package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"google.golang.org/protobuf/encoding/protowire"
)

// spanProcessor is where ended spans go.
type spanProcessor interface {
	// put takes a span as record wrote it, and leaves the bytes to the caller.
	put(wire []byte)
	Shutdown(context.Context) error
}

// spanExporter takes spans away. It is not called twice at once.
type spanExporter interface {
	// export sends spans that lie one behind the other as the field spans of a
	// message opentelemetry.proto.trace.v1.ScopeSpans. They are good until it
	// returns.
	export(ctx context.Context, wire []byte) error
	Shutdown(context.Context) error
}

// tagSpan is that of the field spans.
const tagSpan = 2<<3 | bytesField

// Spans are of very different sizes, so that to count them bounds no memory.
const (
	// batchBytes is about how long a batch may be, since many a collector
	// refuses what is longer than 4 MiB.
	batchBytes = 1 << 20
	// spanBytes is how much room there is in a queue for each span that it may
	// hold. Most take less than a fifth of that.
	spanBytes = 4 << 10
)

// How spans are gathered where no variable says it. The specification's 2048
// and 512 are made for spans that take several KiB each; here they take one
// half, and to send twice as many at once takes less of the processor.
const (
	defaultSpanQueue = 4096
	defaultSpanBatch = 1024
)

// batching is how a queue gathers spans.
type batching struct {
	queue   int           // spans at most, with those that are on the way
	batch   int           // spans at most
	delay   time.Duration // after which a batch goes that is not full
	timeout time.Duration // of one export
}

// spanBatch is spans as an exporter takes them.
type spanBatch struct {
	wire  []byte
	spans int
}

// spanQueue gathers the spans for one exporter. It never blocks: what finds no
// room is dropped, and counted. It wakes up for a batch, and not for a span.
type spanQueue struct {
	batching
	*exports
	to    spanExporter
	ended chan struct{}
	err   error // of the exporter's end, once ended is closed

	mu      sync.Mutex
	ready   sync.Cond // one is full, or the queue is closed
	due     *time.Timer
	filling *spanBatch
	full    []*spanBatch // the oldest first
	empty   sync.Pool    // of *spanBatch
	held    int          // spans, with those that are on the way
	room    int          // in bytes
	closed  bool
}

func newSpanQueue(b batching, e *exports, to spanExporter) *spanQueue {
	q := &spanQueue{
		batching: b, exports: e, to: to, ended: make(chan struct{}),
		filling: new(spanBatch), room: b.queue * spanBytes,
	}
	q.ready.L = &q.mu
	q.due = time.AfterFunc(b.delay, q.flush) // in vain, as nothing has come
	go q.run()
	return q
}

// put implements spanProcessor.
func (q *spanQueue) put(wire []byte) {
	q.spans.offered.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.held == q.queue || len(wire) > q.room {
		q.spans.dropped.Add(1)
		return
	}
	b := q.filling
	if b.spans == 0 {
		q.due.Reset(q.delay)
	}
	before := len(b.wire)
	b.wire = protowire.AppendBytes(append(b.wire, tagSpan), wire)
	b.spans++
	q.held++
	q.room -= len(b.wire) - before
	if b.spans == q.batch || len(b.wire) >= batchBytes {
		q.flushLocked()
	}
}

// flush lets what is there go.
func (q *spanQueue) flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flushLocked()
}

func (q *spanQueue) flushLocked() {
	if q.filling.spans == 0 {
		return
	}
	q.due.Stop()
	q.full = append(q.full, q.filling)
	q.filling = q.emptyBatch()
	q.ready.Signal()
}

func (q *spanQueue) emptyBatch() *spanBatch {
	if b, ok := q.empty.Get().(*spanBatch); ok {
		return b
	}
	return new(spanBatch)
}

// run sends one batch after the other until the queue is closed and empty.
func (q *spanQueue) run() {
	defer close(q.ended)
	for b := q.next(); b != nil; b = q.next() {
		err := q.send(b.wire)
		q.spans.left(b.spans, err)
		if err != nil {
			q.tracesFailed.Add(1)
			otel.Handle(fmt.Errorf("telemetry: export of traces: %w", err))
		}
		q.done(b)
	}
	q.err = q.to.Shutdown(context.Background()) // nothing is under way that it would wait for
}

// next waits for a batch; nil is the end.
func (q *spanQueue) next() *spanBatch {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.full) == 0 {
		if q.closed {
			return nil
		}
		q.ready.Wait()
	}
	b := q.full[0]
	q.full = append(q.full[:0], q.full[1:]...) // they are few
	return b
}

func (q *spanQueue) send(wire []byte) error {
	ctx, cancel := context.WithTimeout(q.ctx, q.timeout)
	defer cancel()
	return q.to.export(ctx, wire)
}

// done makes room of a batch.
func (q *spanQueue) done(b *spanBatch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held -= b.spans
	q.room += len(b.wire)
	b.spans, b.wire = 0, b.wire[:0]
	q.empty.Put(b)
}

// Shutdown sends what is there, and waits for that as long as ctx allows.
func (q *spanQueue) Shutdown(ctx context.Context) error {
	q.mu.Lock()
	q.flushLocked()
	q.closed = true
	q.due.Stop()
	q.ready.Signal()
	q.mu.Unlock()
	select {
	case <-q.ended:
		return q.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
