package consul

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// idlers are as many watches as may wait at Consul, each with another question.
func idlers(client *Client, service string) (hub *discovery.Hub[Query], questions []Query) {
	hub = discovery.NewHub(func(q Query) *discovery.Watcher {
		return &discovery.Watcher{Source: client.Source(q), Wait: client.Wait()}
	})
	hub.Cap = Watches
	for n := range Watches {
		questions = append(questions, Query{Service: service, Filter: fmt.Sprintf(`Service.Port != %d`, 60000+n)})
	}
	return hub, questions
}

// 64 watches hold a connection each, and ask once while nothing happens.
func TestIdleWatchesHoldAConnectionEach(t *testing.T) {
	consuls(t, func(t *testing.T, f *front) {
		client := clientOf(t, Config{Address: f.address})
		var w watched
		f.stop()
		f.handler = w.count(f.handler)
		f.start(t)
		hub, questions := idlers(client, f.service)
		defer hub.Close()
		for _, q := range questions {
			defer hub.Subscribe(q).Close()
		}
		asked := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.asked)
		}
		soon(t, "all wait", func() bool { return asked() >= 2*Watches })
		// Those that were opened while another came back are idle, and closed.
		soon(t, "each has one connection", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.conns == Watches
		})
		if n := asked(); n != 2*Watches {
			t.Errorf("%d requests", n)
		}
	})
}

// 64 watches ask less than once a minute each while nothing happens, with what
// is read afresh, and not in lockstep although they began together.
func TestIdleWatchesAskSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		bear(t, c, "a")
		var w watched
		hub, questions := idlers(bubbled(t, w.count(c)), "web")
		defer hub.Close()
		for _, q := range questions {
			defer hub.Subscribe(q).Close()
		}
		time.Sleep(10 * time.Minute)
		w.mu.Lock()
		w.asked = nil
		w.mu.Unlock()
		begin := time.Now()
		const minutes = 30
		time.Sleep(minutes * time.Minute)
		w.mu.Lock()
		n := len(w.asked)
		w.mu.Unlock()
		if n > Watches*minutes || n < Watches*minutes/2 {
			t.Errorf("%d requests in %d minutes", n, minutes)
		}
		if n := w.busiest(begin, time.Second); n > 12 {
			t.Errorf("%d requests in one second", n)
		}
	})
}
