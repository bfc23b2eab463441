package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

const hedgeDelay = 30 * time.Millisecond

// hedging is a stage whose front asks a second server after a while, once it
// serves.
func hedging(t *testing.T, change ...func(*Options)) *stage {
	t.Helper()
	o := defaults()
	o.Retry.Hedge = Hedge{Percentile: 95}
	for _, c := range change {
		c(&o)
	}
	return newStage(t, o)
}

func (s *stage) serveHedging(backends ...string) *stage {
	s.t.Helper()
	s.serve(backends...)
	s.server.(*HTTP).pace.delay.Store(int64(hedgeDelay))
	return s
}

// hedges compares the counts of the meter.
func (s *stage) hedges(begun, won, denied int64) {
	s.t.Helper()
	s.settle()
	if m := s.Meter; m.Hedges.Load() != begun || m.HedgesWon.Load() != won || m.Denied.Load() != denied {
		s.t.Errorf("%d hedges, %d won, %d denied; want %d, %d, %d", m.Hedges.Load(), m.HedgesWon.Load(), m.Denied.Load(), begun, won, denied)
	}
}

// hangsUntil hangs, and tells when the other side has had enough.
func hangsUntil(over chan<- bool) func(*wire) {
	return func(w *wire) { w.take(); w.hang(); over <- true }
}

func answersAfter(d time.Duration) func(*wire) {
	return func(w *wire) {
		for w.take() != nil {
			time.Sleep(d)
			w.say(fine)
		}
	}
}

func (s *stage) quickly(within time.Duration, status int, method, body string, lines ...string) {
	s.t.Helper()
	begin := time.Now()
	s.want(status, method, body, lines...)
	if took := time.Since(begin); took > within {
		s.t.Errorf("it took %v", took)
	}
}

func TestHedgeWins(t *testing.T) {
	s := hedging(t)
	over := make(chan bool, 1)
	s.serveHedging(s.peer(hangsUntil(over)), s.peer(answering(fine)))
	s.quickly(2*time.Second, 200, "GET", "")
	<-over // the loser's connection is closed
	s.hedges(1, 1, 0)
	first, second := statsOf(t, s.front, 0), statsOf(t, s.front, 1)
	if first.Failures != 0 || second.Failures != 0 || first.MeanResponseTime < hedgeDelay || second.MeanResponseTime == 0 {
		t.Errorf("the first has %+v, the second %+v", first, second)
	}
	if b := s.books; !slices.Equal(b.reasons, []string{"", hedged}) || b.ends[0].Attempts != 2 || !b.attempts[0].Cancelled || b.attempts[1].Cancelled || b.attempts[1].Status != 200 {
		t.Errorf("%+v: %q %+v", b.ends, b.reasons, b.attempts)
	}
	if n := s.Meter.Backends.Load(); n != 1 {
		t.Errorf("%d connections are kept", n)
	}
}

func TestHedgeLoses(t *testing.T) {
	s := hedging(t)
	over := make(chan bool, 1)
	s.serveHedging(s.peer(answersAfter(3*hedgeDelay)), s.peer(hangsUntil(over)))
	s.quickly(2*time.Second, 200, "GET", "")
	<-over
	s.hedges(1, 0, 0)
	if second := statsOf(t, s.front, 1); second.Failures != 0 || second.MeanResponseTime == 0 || s.blamed(0) != 0 {
		t.Errorf("the second has %+v", second)
	}
	if n := s.Meter.Backends.Load(); n != 1 {
		t.Errorf("%d connections are kept", n)
	}
}

func TestHedgeOfAFailure(t *testing.T) {
	late := func(w *wire) { w.take(); time.Sleep(2 * hedgeDelay); reset(w.conn) }
	t.Run("the first fails", func(t *testing.T) {
		s := hedging(t)
		s.serveHedging(s.peer(late), s.peer(answersAfter(4*hedgeDelay)))
		s.want(200, "GET", "")
		s.hedges(1, 1, 0)
		if s.blamed(0) != 1 || s.blamed(1) != 0 || s.Meter.Retries.Load() != 0 {
			t.Errorf("blamed %d and %d", s.blamed(0), s.blamed(1))
		}
	})
	t.Run("the hedge fails", func(t *testing.T) {
		s := hedging(t)
		s.serveHedging(s.peer(answersAfter(4*hedgeDelay)), s.peer(resets))
		s.want(200, "GET", "")
		s.hedges(1, 0, 0)
		if s.blamed(0) != 0 || s.blamed(1) != 1 {
			t.Errorf("blamed %d and %d", s.blamed(0), s.blamed(1))
		}
	})
	t.Run("both fail", func(t *testing.T) {
		s := hedging(t)
		s.serveHedging(s.peer(late), s.peer(resets))
		s.want(502, "GET", "") // there is no third
		s.hedges(1, 0, 0)
		if s.blamed(0) != 1 || s.blamed(1) != 1 || s.Meter.Failures()[Reset] != 1 {
			t.Errorf("blamed %d and %d, counted %v", s.blamed(0), s.blamed(1), s.Meter.Failures())
		}
	})
	t.Run("both are late", func(t *testing.T) {
		s := hedging(t, func(o *Options) { o.Timeouts.FirstByte = 150 * time.Millisecond })
		over := make(chan bool, 2)
		s.serveHedging(s.peer(hangsUntil(over)), s.peer(hangsUntil(over)), s.peer(answering(fine)))
		s.quickly(3*time.Second, 200, "GET", "")
		<-over
		<-over
		s.settle()
		if s.Meter.Retries.Load() != 1 || s.blamed(0) != 1 || s.blamed(2) != 0 {
			t.Errorf("%d retries, blamed %d, %d, %d", s.Meter.Retries.Load(), s.blamed(0), s.blamed(1), s.blamed(2))
		}
	})
}

// Neither a first nor a second that does not even take the connection holds up
// the answer of the other.
func TestHedgeOfAConnect(t *testing.T) {
	for name, order := range map[string]func(nowhere, good string) []string{
		"the first":  func(nowhere, good string) []string { return []string{nowhere, good} },
		"the second": func(nowhere, good string) []string { return []string{good, nowhere} },
	} {
		t.Run(name, func(t *testing.T) {
			s := hedging(t, func(o *Options) { o.Timeouts.Connect = 10 * time.Second })
			nowhere := blackhole(t)
			s.serveHedging(order(nowhere, s.peer(answersAfter(3*hedgeDelay)))...)
			s.quickly(2*time.Second, 200, "GET", "")
			s.settle()
			if s.Meter.Hedges.Load() != 1 || s.blamed(0)+s.blamed(1) != 0 {
				t.Errorf("%d hedges, blamed %d and %d", s.Meter.Hedges.Load(), s.blamed(0), s.blamed(1))
			}
		})
	}
}

func TestHedgeBudget(t *testing.T) {
	s := hedging(t, func(o *Options) { o.Retry.BudgetPercent, o.Retry.BudgetPerSecond = 0, 0 })
	s.serveHedging(s.peer(answersAfter(3*hedgeDelay)), s.peer(answering(fine)))
	s.want(200, "GET", "")
	s.hedges(0, 0, 1)
}

// A hedge for which there is no place waits in no queue, and costs nothing of
// the budget.
func TestHedgeDoesNotQueue(t *testing.T) {
	s := hedging(t, func(o *Options) {
		o.Balancer = lb.New(inOrder{}, lb.WithQueue(lb.Queue{Length: 10}))
		o.Retry.BudgetPercent, o.Retry.BudgetPerSecond = 0, 1
	})
	s.serveHedging(s.peer(answersAfter(3 * hedgeDelay)))
	for range 3 {
		s.quickly(2*time.Second, 200, "GET", "")
	}
	s.hedges(0, 0, 0)
	if st := s.Balancer.Stats(); st.Queued != 0 {
		t.Errorf("%d queued", st.Queued)
	}
}

func TestHedgeWhoseClientLeaves(t *testing.T) {
	s := hedging(t)
	over := make(chan bool, 2)
	s.serveHedging(s.peer(hangsUntil(over)), s.peer(hangsUntil(over)))
	c := s.call()
	c.say(s.request("GET", ""))
	within(t, "both are asked", func() bool { return s.delivered("GET") == 2 })
	begin := time.Now()
	c.Close()
	s.saw(departed)
	<-over
	<-over
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v", took)
	}
	s.hedges(1, 0, 0)
	if s.blamed(0)+s.blamed(1) != 0 {
		t.Errorf("blamed %d and %d", s.blamed(0), s.blamed(1))
	}
}

func TestHedgeNever(t *testing.T) {
	s := hedging(t, func(o *Options) { o.Sticky = Sticky{Cookie: "lb", Path: "/"} })
	s.serveHedging(s.peer(answersAfter(3*hedgeDelay)), s.peer(answering(fine)))
	s.want(200, "POST", "")
	s.want(200, "POST", "payload")
	s.want(200, "PUT", "payload that is not known to have ended when the request is sent")
	token := s.want(200, "OPTIONS", "").header.Get("Set-Cookie") // hedged
	s.want(200, "GET", "", "Cookie: "+token[:len("lb=")+16])
	s.want(200, "GET", "", "Connection: upgrade", "Upgrade: x")
	s.hedges(1, 1, 0)
}

// A stream that lost is cancelled, and its connection goes on.
func TestHedgeOfHTTP2(t *testing.T) {
	s := hedging(t, func(o *Options) { o.Backend = H2C })
	var first atomic.Bool
	cancelled := make(chan bool, 1)
	s.serveHedging(s.framed(func(f *frames) {
		for {
			stream, _ := f.next()
			if stream == 0 {
				return
			}
			if !first.Swap(true) {
				for {
					frame, err := f.ReadFrame()
					if err != nil {
						return
					}
					if frame.Header().StreamID == stream {
						cancelled <- true
						break
					}
				}
				continue
			}
			f.head(stream, 200, true)
		}
	}), s.framed((*frames).respond))
	s.quickly(2*time.Second, 200, "GET", "")
	<-cancelled
	s.want(200, "GET", "")
	s.hedges(1, 1, 0)
	if n := s.Meter.Backends.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

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
