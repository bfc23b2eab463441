package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// The delay is a percentile of what was seen, and no less than is wanted. Those
// that were beaten count with the time that they had.
func TestHedgeLearns(t *testing.T) {
	s := hedging(t, func(o *Options) { o.Retry.Hedge.Percentile = 90 })
	var n atomic.Int64
	s.serve(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%5 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}))
	pace := s.server.(*HTTP).pace
	for range paceLeast - 1 {
		s.want(200, "GET", "")
	}
	if d := pace.delay.Load(); d != 0 {
		t.Errorf("it hedges after %v, and knows too little", time.Duration(d))
	}
	s.want(200, "GET", "")
	within(t, "it has learned", func() bool { return pace.delay.Load() != 0 })
	if d := time.Duration(pace.delay.Load()); d < 20*time.Millisecond || d > time.Second {
		t.Errorf("it hedges after %v", d)
	}

	p := newPace(Hedge{Percentile: 95, Least: time.Second}, s.server.(*HTTP).clock)
	defer p.close()
	for range 2 * paceLeast {
		p.add(time.Millisecond, 0)
	}
	p.learn(0)
	if d := time.Duration(p.delay.Load()); d != time.Second {
		t.Errorf("it hedges after %v, less than the least", d)
	}
}

// Any mixture of quick, slow, failing and impatient, many at a time: nothing
// gets lost, and the books agree.
func TestHedgeStorm(t *testing.T) {
	s := hedging(t, func(o *Options) {
		o.Balancer = lb.New(lb.RoundRobin())
		o.Retry.BudgetPercent, o.Timeouts.FirstByte = 100, 100*time.Millisecond
	})
	var backends []string
	for n := range 4 {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		var mu sync.Mutex
		backends = append(backends, s.peer(func(w *wire) {
			for w.take() != nil {
				mu.Lock()
				dice, d := random.IntN(20), time.Duration(random.IntN(8))*time.Millisecond
				mu.Unlock()
				switch {
				case dice == 0:
					reset(w.conn)
					return
				case dice == 1:
					w.hang()
					return
				}
				time.Sleep(d)
				w.say(fine)
			}
		}))
	}
	s.serve(backends...)
	s.server.(*HTTP).pace.delay.Store(int64(3 * time.Millisecond))
	var wg sync.WaitGroup
	for c := range 8 {
		random := rand.New(rand.NewPCG(2, uint64(c)))
		wg.Go(func() {
			for range 60 {
				if random.IntN(10) > 0 {
					s.ask("GET", "")
					continue
				}
				conn := s.call()
				conn.say(s.request("GET", ""))
				time.Sleep(time.Duration(random.IntN(4)) * time.Millisecond)
				conn.Close()
				s.saw("left or not")
			}
		})
	}
	wg.Wait()
	settled(t, s.front)
	// Of those that left some were too late to, which they cannot know.
	s.mu.Lock()
	s.books.mu.Lock()
	gone := s.seen["left or not"]
	delete(s.seen, "left or not")
	counted := make(map[string]int)
	for _, r := range s.books.ends {
		counted[outcome(r)]++
	}
	for what, n := range counted {
		gone -= n - s.seen[what]
		s.seen[what] = n
	}
	s.books.mu.Unlock()
	s.mu.Unlock()
	if gone != 0 || s.Meter.Hedges.Load() == 0 || s.Meter.HedgesWon.Load() == 0 {
		t.Errorf("%d lost; %d hedges, %d won", gone, s.Meter.Hedges.Load(), s.Meter.HedgesWon.Load())
	}
	t.Log(fmt.Sprint(counted), s.Meter.Hedges.Load(), s.Meter.HedgesWon.Load())
}
