package consul

import (
	"fmt"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
)

// 64 watches hold a connection each, and ask once a minute while nothing
// happens.
func TestIdleWatchesAreCheap(t *testing.T) {
	consuls(t, func(t *testing.T, f *front) {
		client := clientOf(t, Config{Address: f.address})
		var w watched
		f.stop()
		f.handler = w.count(f.handler)
		f.start(t)
		hub := discovery.NewHub(func(q Query) *discovery.Watcher {
			return &discovery.Watcher{Source: client.Source(q), Wait: client.Wait()}
		})
		defer hub.Close()
		hub.Cap = Watches
		for n := range Watches {
			s := hub.Subscribe(Query{Service: f.service, Filter: fmt.Sprintf(`Service.Port != %d`, 60000+n)})
			defer s.Close()
		}
		soon(t, "all wait", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.asked) >= 2*Watches
		})
		time.Sleep(500 * time.Millisecond)
		f.mu.Lock()
		defer f.mu.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		if f.conns > Watches+8 || len(w.asked) > 2*Watches {
			t.Errorf("%d connections, %d requests", f.conns, len(w.asked))
		}
	})
}
