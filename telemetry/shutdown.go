package telemetry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// shutdownTimeout is the bound on Shutdown where none is configured.
const shutdownTimeout = 5 * time.Second

// Shutdown sends what is still there, and returns when that is done, when
// Config.ShutdownTimeout is over or when ctx ends, whatever a collector does.
// The error says what could not be sent. Only the first call does anything;
// all return the same.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	t.stopping.Do(func() {
		if err := t.shutdown(ctx); err != nil {
			t.stopped = fmt.Errorf("telemetry: shutdown: %w", err)
		}
		t.report.off.Store(true)
	})
	return t.stopped
}

// shutdown cuts short what still hangs when nine tenths of the time are over,
// so that the SDK comes to its end within the rest and nothing is left running.
// Only what heeds no context at all is left to itself.
func (t *Telemetry) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	defer t.exports.stop()
	hanging := time.AfterFunc(t.timeout-t.timeout/10, t.exports.stop)
	defer hanging.Stop()
	spans, records := t.exports.spans.failed.Load(), t.exports.records.failed.Load()
	done := make(chan error, 1)
	go func() { done <- t.flush(ctx, t.timeout/2) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	// The SDK has told of each failure already, but not returned it.
	spans = t.exports.spans.failed.Load() - spans + t.exports.spans.waiting()
	records = t.exports.records.failed.Load() - records + t.exports.records.waiting()
	if spans > 0 || records > 0 {
		err = errors.Join(err, fmt.Errorf("%d spans and %d log records could not be sent", spans, records))
	}
	return err
}

// flush ends the traces and the logs and then the metrics, which count what
// became of both; when these take longer than patience, metrics do not wait for
// them.
func (p pipeline) flush(ctx context.Context, patience time.Duration) error {
	counted := make(chan error, 1)
	go func() {
		var ends []func(context.Context) error
		for _, processor := range p.processors {
			ends = append(ends, processor.Shutdown)
		}
		for _, queue := range p.queues {
			ends = append(ends, queue.Shutdown)
		}
		counted <- endAll(ctx, ends)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var errs []error
	select {
	case err := <-counted:
		errs, counted = append(errs, err), nil
	case <-timer.C:
	}
	var ends []func(context.Context) error
	for _, reader := range p.readers {
		ends = append(ends, reader.Shutdown)
	}
	errs = append(errs, endAll(ctx, ends))
	if counted != nil {
		errs = append(errs, <-counted)
	}
	return errors.Join(errs...)
}

// endAll calls all at once: one that hangs must not take the others' time.
func endAll(ctx context.Context, ends []func(context.Context) error) error {
	errs := make([]error, len(ends))
	var wg sync.WaitGroup
	for i, end := range ends {
		wg.Go(func() { errs[i] = end(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
