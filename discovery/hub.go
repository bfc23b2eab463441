package discovery

import (
	"context"
	"sync"
)

// Hub runs one watch for all who ask for the same. K says what is asked for.
type Hub[K comparable] struct {
	open func(K) *Watcher

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	watches map[K]*watch
}

// watch is one watcher and who listens to it; guarded by Hub.mu.
type watch struct {
	watcher *Watcher
	stop    context.CancelFunc
	last    *Snapshot
	readers map[*Subscription]struct{}
}

// NewHub makes a hub that opens watches with open. Close ends them.
func NewHub[K comparable](open func(K) *Watcher) *Hub[K] {
	h := &Hub[K]{open: open, watches: make(map[K]*watch)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Close ends all watches, and waits until they have.
func (h *Hub[K]) Close() {
	h.cancel()
	h.wg.Wait()
}

// Subscription is one listener's end of a watch.
type Subscription struct {
	// C has the latest snapshot that was not taken from it yet; earlier ones
	// are dropped, since a snapshot is whole. It is never closed.
	C      chan Snapshot
	status func() Status
	close  func()
}

// Status returns how the watch is doing.
func (s *Subscription) Status() Status { return s.status() }

// Close ends the subscription, and the watch with the last one.
func (s *Subscription) Close() { s.close() }

// put leaves a snapshot, in place of one that nobody took yet. Only Hub calls
// it, under its lock, so there is one writer.
func (s *Subscription) put(snapshot Snapshot) {
	select {
	case <-s.C:
	default:
	}
	s.C <- snapshot
}

// Subscribe listens to the watch for key, and starts it for the first. Whoever
// comes later has the last snapshot at once.
func (h *Hub[K]) Subscribe(key K) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	w, ok := h.watches[key]
	if !ok {
		ctx, stop := context.WithCancel(h.ctx)
		w = &watch{watcher: h.open(key), stop: stop, readers: make(map[*Subscription]struct{})}
		h.watches[key] = w
		h.wg.Go(func() {
			w.watcher.Run(ctx, func(s Snapshot) { h.publish(w, s) })
		})
	}
	s := &Subscription{C: make(chan Snapshot, 1), status: w.watcher.Status}
	s.close = sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(w.readers, s)
		if len(w.readers) == 0 {
			w.stop()
			delete(h.watches, key)
		}
	})
	w.readers[s] = struct{}{}
	if w.last != nil {
		s.put(*w.last)
	}
	return s
}

func (h *Hub[K]) publish(w *watch, s Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.last = &s
	for reader := range w.readers {
		reader.put(s)
	}
}

// Len is the number of watches under way.
func (h *Hub[K]) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.watches)
}
