package health

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a prober that remembers when it was asked about what.
type recorder struct {
	mu     sync.Mutex
	at     []time.Time
	of     map[string][]time.Time
	atOnce int
	most   int
	wait   time.Duration
	fail   bool
}

func (p *recorder) Probe(ctx context.Context, target Target) (string, error) {
	p.mu.Lock()
	if p.of == nil {
		p.of = make(map[string][]time.Time)
	}
	p.at = append(p.at, time.Now())
	p.of[target.Address] = append(p.of[target.Address], time.Now())
	p.atOnce++
	p.most = max(p.most, p.atOnce)
	wait, fail := p.wait, p.fail
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.atOnce--
		p.mu.Unlock()
	}()
	if wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if fail {
		return "", errors.New("bad luck")
	}
	return "fine", nil
}

// gaps are the times between the probes of each target.
func (p *recorder) gaps() (gaps []time.Duration) {
	for _, at := range p.of {
		for i := 1; i < len(at); i++ {
			gaps = append(gaps, at[i].Sub(at[i-1]))
		}
	}
	return gaps
}

// scheduling runs a scheduler for as long as f takes.
func scheduling(t *testing.T, b Budget, f func(t *testing.T, s *Scheduler)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(b, rand.New(rand.NewPCG(1, 2)).Uint64)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { _ = s.Run(ctx); close(ended) }()
		f(t, s)
		cancel()
		<-ended
	})
}

// pass lets time pass, and all that it brings be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func addressed(i int) Target { return Target{Address: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)} }

func ignore() Follower { return Follower{Report: func(Result) {}} }

func TestProbesKeepTheirInterval(t *testing.T) {
	scheduling(t, Budget{}, func(t *testing.T, s *Scheduler) {
		p, start := new(recorder), time.Now()
		stop := s.Follow(Check{Prober: p, Interval: 5 * time.Second}, Target{}, ignore())
		pass(5 * time.Minute)
		if first := p.at[0].Sub(start); first > 100*time.Millisecond {
			t.Errorf("the first probe came after %v", first)
		}
		gaps := p.gaps()
		if gaps[0] > 5*time.Second {
			t.Errorf("the second probe came after %v", gaps[0])
		}
		if lo, hi := slices.Min(gaps[1:]), slices.Max(gaps[1:]); lo < 4500*time.Millisecond || hi > 5500*time.Millisecond || lo == hi {
			t.Errorf("gaps from %v to %v, want 5 s less or more up to a tenth, and not all alike", lo, hi)
		}
		stop()
		stop()
		n := len(p.at)
		pass(time.Minute)
		if len(p.at) != n || s.Stats().Targets != 0 {
			t.Error("probes go on though nobody follows")
		}
	})
}

func TestSlowProbesFail(t *testing.T) {
	scheduling(t, Budget{}, func(t *testing.T, s *Scheduler) {
		var got []Result
		s.Follow(Check{Prober: &recorder{wait: time.Hour}, Timeout: 3 * time.Second}, Target{}, Follower{Report: func(r Result) { got = append(got, r) }})
		pass(4 * time.Second)
		if len(got) != 1 || got[0].Good || got[0].Took != 3*time.Second || !strings.Contains(got[0].Output, "deadline") || got[0].At.IsZero() {
			t.Errorf("got %+v", got)
		}
	})
}

func TestAProbeCutShortSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(Budget{}, nil)
		p := &recorder{wait: time.Minute}
		tell := Follower{Report: func(r Result) { t.Errorf("reported %+v", r) }}
		check := Check{Prober: p, Timeout: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.Follow(check, addressed(0), tell)
		stop := s.Follow(check, addressed(1), tell)
		time.AfterFunc(500*time.Millisecond, stop) // nobody wants to know any more
		_ = s.Run(ctx)
		if p.atOnce != 0 || len(p.at) != 2 {
			t.Errorf("%d probes of 2 were not ended", p.atOnce)
		}
	})
}

// Servers that come at one moment are probed soon, but neither all at once nor
// in step ever after.
func TestProbesDoNotBunchUp(t *testing.T) {
	scheduling(t, Budget{PerSecond: 500}, func(t *testing.T, s *Scheduler) {
		const n, interval = 1000, 5 * time.Second
		p := new(recorder)
		start := time.Now()
		for i := range n {
			s.Follow(Check{Prober: p, Interval: interval}, addressed(i), ignore())
		}
		pass(time.Minute)
		if len(p.of) != n || p.at[n-1].Sub(start) > 2200*time.Millisecond {
			t.Errorf("%d of %d probed; the first thousand probes took %v", len(p.of), n, p.at[n-1].Sub(start))
		}
		perSecond, perTenth := 0, 0
		for i := range p.at {
			for perSecond < i && p.at[i].Sub(p.at[i-perSecond]) < time.Second {
				perSecond++
			}
			if p.at[i].Sub(start) < interval {
				continue
			}
			for perTenth < i && p.at[i].Sub(p.at[i-perTenth]) < 100*time.Millisecond {
				perTenth++
			}
		}
		if perSecond > 500 {
			t.Errorf("%d probes in a second, and the budget is 500", perSecond)
		}
		if perTenth > 45 { // 20 on the average
			t.Errorf("%d probes in a tenth of a second; evenly it were 20", perTenth)
		}
	})
}

// A budget that is too small stretches all intervals alike, and tells.
func TestAShortBudgetIsSharedFairly(t *testing.T) {
	scheduling(t, Budget{PerSecond: 50}, func(t *testing.T, s *Scheduler) {
		const n = 500 // one a second each would take 500 a second
		p := new(recorder)
		var late []time.Duration
		for i := range n {
			s.Follow(Check{Prober: p, Interval: time.Second}, addressed(i), Follower{Report: func(r Result) { late = append(late, r.Late) }})
		}
		pass(5 * time.Minute)
		if len(p.at) < 50*299 || len(p.at) > 50*300+1 {
			t.Errorf("%d probes in 5 minutes at 50 a second", len(p.at))
		}
		for address, at := range p.of {
			if len(at) < 29 || len(at) > 31 {
				t.Errorf("%s was probed %d times, and fair are 30", address, len(at))
			}
			for i := 3; i < len(at); i++ {
				if gap := at[i].Sub(at[i-1]); gap < 9*time.Second || gap > 11*time.Second {
					t.Fatalf("%s had to wait for %v, and fair are 10 s", address, gap)
				}
			}
		}
		st := s.Stats()
		if st.Wanted != n || st.Late < 8*time.Second || st.Late > 10*time.Second || st.Targets != n || st.Made != int64(len(p.at)) {
			t.Errorf("it tells %+v", st)
		}
		if last := late[len(late)-1]; last < 8*time.Second || last > 10*time.Second {
			t.Errorf("the last probe says it was %v late", last)
		}
		s.SetBudget(Budget{PerSecond: 2000})
		pass(time.Minute)
		if st := s.Stats(); st.Late > 50*time.Millisecond {
			t.Errorf("with a budget that is enough probes are %v late", st.Late)
		}
	})
}

func TestProbesAtOnceAreBounded(t *testing.T) {
	scheduling(t, Budget{AtOnce: 7}, func(t *testing.T, s *Scheduler) {
		p := &recorder{wait: time.Hour}
		for i := range 100 {
			s.Follow(Check{Prober: p}, addressed(i), ignore())
		}
		pass(2 * time.Minute)
		if p.most != 7 || len(p.of) != 100 {
			t.Errorf("%d at once, and 7 may be; %d of 100 were probed", p.most, len(p.of))
		}
	})
}

func TestOneProbeForAllWhoAskTheSame(t *testing.T) {
	scheduling(t, Budget{}, func(t *testing.T, s *Scheduler) {
		p := new(recorder)
		check := Check{Prober: p, Name: "GET /health", Interval: time.Second, Rise: 5}
		counts := make([]int, 6)
		follow := func(i int, c Check, target Target) (stop func()) {
			return s.Follow(c, target, Follower{Report: func(Result) { counts[i]++ }})
		}
		stop := follow(0, check, addressed(0))
		same := check
		same.Rise = 1 // is each follower's own affair
		follow(1, same, addressed(0))
		pass(10 * time.Second)
		if n := len(p.at); counts[0] != n || counts[1] != n || n > 12 {
			t.Errorf("%d probes were told as %v", n, counts)
		}
		stop() // the other's go on
		pass(10 * time.Second)
		if n := len(p.at); counts[0] > 12 || counts[1] != n || n < 18 {
			t.Errorf("%d probes were told as %v", n, counts)
		}
		follow(2, same, addressed(0))
		if counts[2] != 1 {
			t.Error("who comes later is not told the last result at once")
		}
		n := len(p.at)
		for i, change := range []func(*Check){func(c *Check) { c.Name = "GET /" }, func(c *Check) { c.Interval *= 2 }, func(c *Check) { c.Name = "" }} {
			other := check
			change(&other)
			follow(3+i, other, addressed(0))
		}
		pass(500 * time.Millisecond)
		if st := s.Stats(); st.Targets != 4 || len(p.at) < n+3 {
			t.Errorf("checks that differ are taken for the same: %+v", st)
		}
	})
}

func TestTrafficSparesProbes(t *testing.T) {
	scheduling(t, Budget{}, func(t *testing.T, s *Scheduler) {
		p := new(recorder)
		check := Check{Prober: p, Name: "x", Interval: time.Second, TrustTraffic: true}
		var one, two atomic.Uint32 // Proofs
		one.Store(uint32(Proven))
		var got []Result
		s.Follow(check, Target{}, Follower{
			Report: func(r Result) { got = append(got, r) },
			Proof: func(within time.Duration) Proof {
				if within != time.Second {
					t.Errorf("asked about %v", within)
				}
				return Proof(one.Load())
			},
		})
		s.Follow(check, Target{}, Follower{Report: func(Result) {}, Proof: func(time.Duration) Proof { return Proof(two.Load()) }})
		pass(10 * time.Second)
		if len(p.at) != 0 || len(got) < 8 || !got[0].Good || !got[0].Skipped || s.Stats().Skipped != int64(len(got)) {
			t.Errorf("%d probes in spite of proof; told %+v", len(p.at), got)
		}
		two.Store(uint32(Doubted)) // one of those who follow wants to see for himself
		pass(10 * time.Second)
		if n := len(p.at); n < 8 || got[len(got)-1].Skipped {
			t.Errorf("%d probes in spite of doubt", n)
		}
		n := len(p.at)
		one.Store(uint32(Unknown)) // nobody asks the server for anything
		two.Store(uint32(Unknown))
		pass(10 * time.Second)
		if len(p.at) < n+8 {
			t.Errorf("%d probes without traffic", len(p.at)-n)
		}
	})
}

func TestLongOutputIsCut(t *testing.T) {
	scheduling(t, Budget{}, func(t *testing.T, s *Scheduler) {
		var got Result
		s.Follow(Check{Prober: says(strings.Repeat("ü", 1000))}, Target{}, Follower{Report: func(r Result) { got = r }})
		pass(time.Second)
		if len(got.Output) > 260 || !strings.HasSuffix(got.Output, "ü…") {
			t.Errorf("%d bytes: %q", len(got.Output), got.Output)
		}
	})
}

type says string

func (s says) Probe(context.Context, Target) (string, error) { return string(s), nil }

// A scheduler that is stopped can be run again, and goes on with all it had.
func TestRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := NewScheduler(Budget{}, nil), &recorder{wait: 300 * time.Millisecond}
		for i := range 20 {
			s.Follow(Check{Prober: p, Interval: time.Second}, addressed(i), ignore())
		}
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 1700*time.Millisecond)
			_ = s.Run(ctx)
			cancel()
		}
		for address, at := range p.of {
			if len(at) < 5 {
				t.Errorf("%s was probed %d times", address, len(at))
			}
		}
		if st := s.Stats(); len(p.of) != 20 || st.Targets != 20 || st.UnderWay != 0 {
			t.Errorf("%d of 20 probed; %+v", len(p.of), st)
		}
	})
}

// Whoever comes and goes, nobody is told anything after its stop.
func TestFollowersComeAndGo(t *testing.T) {
	s := NewScheduler(Budget{PerSecond: 1e6}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = s.Run(ctx) })
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for i := range 200 {
				var mu sync.Mutex
				stopped := false
				stop := s.Follow(Check{Prober: says("fine"), Interval: 10 * time.Microsecond, Name: []string{"", "x"}[i%2]}, addressed(worker*i%5), Follower{Report: func(Result) {
					mu.Lock()
					defer mu.Unlock()
					if stopped {
						t.Error("told after stop")
					}
				}})
				if i%3 == 0 {
					time.Sleep(50 * time.Microsecond)
				}
				stop()
				mu.Lock()
				stopped = true
				mu.Unlock()
			}
		})
	}
	work.Wait()
	cancel()
	all.Wait()
	if st := s.Stats(); st.Targets != 0 || st.UnderWay != 0 || len(s.shared) != 0 || st.Wanted > 1e-3 {
		t.Errorf("at the end there is %+v, %d shared", st, len(s.shared))
	}
}
