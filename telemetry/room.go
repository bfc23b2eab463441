package telemetry

import "sync/atomic"

// defaultQueue is how many log records wait for an exporter at most, by the
// specification.
const defaultQueue = 2048

// fates counts what became of spans or log records, over all their exporters.
type fates struct {
	offered  atomic.Int64 // to an exporter's queue
	dropped  atomic.Int64 // since that was full
	exported atomic.Int64
	failed   atomic.Int64
}

// left counts n that left a queue, sent or not.
func (f *fates) left(n int, err error) {
	if err != nil {
		f.failed.Add(int64(n))
		return
	}
	f.exported.Add(int64(n))
}

// waiting is how many are in queues or on the way.
func (f *fates) waiting() int64 {
	gone := f.dropped.Load() + f.exported.Load() + f.failed.Load() // first, so that the difference is not too small
	return max(0, f.offered.Load()-gone)
}

// Fates is what became of spans or log records, for each exporter.
type Fates struct{ Offered, Waiting, Dropped, Exported, Failed int64 }

func (f *fates) read() Fates {
	return Fates{
		Waiting: f.waiting(), Offered: f.offered.Load(), Dropped: f.dropped.Load(), Exported: f.exported.Load(), Failed: f.failed.Load(),
	}
}

// room is what a queue of log records has room for. The SDK's queues drop what
// they have no room for too, and do not say how many that was: so that is done
// before them.
type room struct {
	size   int64
	held   atomic.Int64
	closed atomic.Bool // the queue takes nothing any more
	*fates
}

func newRoom(size int, f *fates) *room { return &room{size: int64(size), fates: f} }

// take takes one place, and tells whether there was any.
func (r *room) take() bool {
	r.offered.Add(1)
	if !r.closed.Load() {
		if r.held.Add(1) <= r.size {
			return true
		}
		r.held.Add(-1)
	}
	r.dropped.Add(1)
	return false
}

// leave gives back the places of n that left the queue, sent or not.
func (r *room) leave(n int, err error) {
	r.held.Add(int64(-n))
	r.left(n, err)
}
