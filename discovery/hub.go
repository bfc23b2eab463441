package discovery

import (
	"context"
	"sync"
	"sync/atomic"
)

// Hub runs one watch for all who ask for the same. K says what is asked for.
type Hub[K comparable] struct {
	// Cap is how many watches may wait at the source at once; those beyond ask
	// now and then until there is room. 0 is no bound. Set it before use.
	Cap int
	// Crowded is told of every watch opened beyond four fifths of Cap; nil
	// tells nobody. It must be quick, and leave the hub alone.
	Crowded func(watches, limit int)

	open     func(K) *Watcher
	recovery Recovery // of all watches

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
	waits   atomic.Bool // at the source; else it polls
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
func (h *Hub[K]) Subscribe(key K) *Subscription { return h.Resume(key, Snapshot{}) }

// Resume is Subscribe where something is known from before, such as from an
// Archive: a watch that it starts judges its first answers beside that. Only
// such a watch puts off its first query by Watcher.Start.
func (h *Hub[K]) Resume(key K, known Snapshot) *Subscription {
	h.mu.Lock()
	defer h.mu.Unlock()
	w, ok := h.watches[key]
	if !ok {
		w = h.start(key, known)
	}
	s := &Subscription{C: make(chan Snapshot, 1), status: w.watcher.Status}
	s.close = sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(w.readers, s)
		if len(w.readers) == 0 && h.watches[key] == w {
			w.stop()
			delete(h.watches, key)
			h.makeRoom(w)
		}
	})
	w.readers[s] = struct{}{}
	if w.last != nil {
		s.put(*w.last)
	}
	return s
}

// start opens a watch; the caller holds h.mu.
func (h *Hub[K]) start(key K, known Snapshot) *watch {
	ctx, stop := context.WithCancel(h.ctx)
	w := &watch{watcher: h.open(key), stop: stop, readers: make(map[*Subscription]struct{})}
	if w.watcher.Known = known; known.At.IsZero() {
		w.watcher.Start = 0 // somebody waits for the first answer
	}
	w.watcher.Recovery = &h.recovery
	h.watches[key] = w
	if h.Cap > 0 {
		w.waits.Store(len(h.watches) <= h.Cap)
		w.watcher.Poll = func() bool { return !w.waits.Load() }
		if h.Crowded != nil && 5*len(h.watches) > 4*h.Cap {
			h.Crowded(len(h.watches), h.Cap)
		}
	}
	h.wg.Go(func() {
		w.watcher.Run(ctx, func(s Snapshot) { h.publish(w, s) })
	})
	return w
}

// makeRoom lets a watch that polls take the place of one that ended; the
// caller holds h.mu.
func (h *Hub[K]) makeRoom(ended *watch) {
	for _, w := range h.watches {
		if ended.waits.Load() && w.waits.CompareAndSwap(false, true) {
			return
		}
	}
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
