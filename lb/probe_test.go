package lb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// running runs what it is given until stop.
func running(t *testing.T, runs ...func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, run := range runs {
		all.Go(func() { _ = run(ctx) })
	}
	return func() { cancel(); all.Wait() }
}

// settle lets time pass, and all that it brings be done.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestBalancersShareAScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var sick atomic.Bool
		check := &health.Check{Name: "tcp", Interval: time.Second, Fall: 2, Prober: proberFunc(func(string) error {
			asked.Add(1)
			if sick.Load() {
				return errors.New("sick")
			}
			return nil
		})}
		s := health.NewScheduler(health.Budget{}, nil)
		runs := []func(context.Context) error{s.Run}
		var all []*Balancer
		for range 3 {
			b := New(nil, WithScheduler(s), WithHealth(Health{Check: check}))
			if err := b.Replace(servers(2)); err != nil {
				t.Fatal(err)
			}
			all, runs = append(all, b), append(runs, b.Run)
		}
		stop := running(t, runs...)
		settle(10 * time.Second)
		if n := asked.Load(); n < 18 || n > 24 {
			t.Errorf("2 servers were probed %d times in 10 s for 3 balancers", n)
		}
		sick.Store(true)
		settle(5 * time.Second)
		for i, b := range all {
			if st, _ := b.ServerStats("s0001"); st.Verdict.State != health.Down || st.Probe.Output != "sick" {
				t.Errorf("balancer %d has %+v", i, st.Verdict)
			}
		}
		sick.Store(false)
		settle(5 * time.Second)
		before := asked.Load()
		all[0].SetHealth(Health{Check: check}) // a reload that changes nothing
		settle(100 * time.Millisecond)
		if n := asked.Load() - before; n > 2 {
			t.Errorf("%d probes at once after a reload that changes nothing", n)
		}
		stop()
		if st := s.Stats(); st.Targets != 0 {
			t.Errorf("after the end %d targets are left", st.Targets)
		}
	})
}

// A server that answers requests well is not probed; one that fails, that
// nobody asks, or that is not up, is.
func TestTrafficProvesHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked sync.Map
		count := func(i int) int {
			n, _ := asked.LoadOrStore(servers(i + 1)[i].Address, new(atomic.Int64))
			return int(n.(*atomic.Int64).Load())
		}
		told := 0
		b := New(RoundRobin(), WithHealth(Health{Check: &health.Check{Interval: time.Second, TrustTraffic: true, Prober: proberFunc(func(address string) error {
			n, _ := asked.LoadOrStore(address, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
			if address == servers(4)[3].Address {
				return errors.New("sick")
			}
			return nil
		})}}), WithHooks(Hooks{Probe: func(*Server, health.Result) { told++ }}))
		if err := b.Replace(servers(4)); err != nil {
			t.Fatal(err)
		}
		stop := running(t, b.Run)
		settle(10 * time.Second)
		for i := range 4 {
			if n := count(i); n < 9 {
				t.Errorf("server %d without traffic was probed %d times", i, n)
			}
		}
		before := []int{count(0), count(1), count(2), count(3)}
		for range 100 {
			for i, id := range []string{"s0000", "s0001", "s0002", "s0003"} {
				b.mu.Lock()
				m := b.members[id]
				b.mu.Unlock()
				lease := Lease{balancer: b, candidate: &Candidate{server: m.spec, member: m}}
				switch i {
				case 0, 3:
					lease.Record(time.Millisecond)
				case 1:
					lease.Record(time.Millisecond)
					other := Lease{balancer: b, candidate: lease.candidate}
					other.Fail(errors.New("reset"))
				}
			}
			settle(100 * time.Millisecond)
		}
		after := []int{count(0), count(1), count(2), count(3)}
		if n := after[0] - before[0]; n > 1 {
			t.Errorf("a server that answers was probed %d times", n)
		}
		for i, why := range map[int]string{1: "fails", 2: "is asked nothing", 3: "is down"} {
			if n := after[i] - before[i]; n < 8 {
				t.Errorf("a server that %s was probed %d times", why, n)
			}
		}
		st, _ := b.ServerStats("s0000")
		if st.Skipped < 8 || !st.Probe.Skipped || st.Probe.Status != health.ProbeUp {
			t.Errorf("it does not tell: %d skipped, the last %+v", st.Skipped, st.Probe)
		}
		stop()
		if sum := count(0) + count(1) + count(2) + count(3); told != sum {
			t.Errorf("the hook was told of %d probes, and %d were made", told, sum)
		}
	})
}

// By MergeCatalog a good probe ends no ejection: probes decide nothing.
func TestProbesEndNoEjectionWhereTheyDoNotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := ejecting(1, time.Hour, time.Hour, 1)
		h.Check = &health.Check{Interval: time.Second, Prober: proberFunc(func(string) error { return nil })}
		h.Policy.Algebra = health.MergeCatalog
		b := New(nil, WithHealth(h))
		if err := b.Replace(servers(2)); err != nil {
			t.Fatal(err)
		}
		stop := running(t, b.Run)
		defer stop()
		fail(b, "s0000", 1)
		settle(time.Minute)
		if got := stateOf(t, b, "s0000"); got != health.Ejected {
			t.Errorf("after good probes it is %v", got)
		}
	})
}

// What a person marks stands until probes say otherwise as often as they must.
func TestProbesGoOnFromAMarkByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(nil, WithHealth(Health{Check: &health.Check{Interval: time.Second, Rise: 5, Prober: proberFunc(func(string) error { return nil })}}))
		if err := b.Replace(servers(2)); err != nil {
			t.Fatal(err)
		}
		stop := running(t, b.Run)
		defer stop()
		settle(10 * time.Second)
		if err := b.SetHealthy("s0000", false); err != nil {
			t.Fatal(err)
		}
		settle(3 * time.Second)
		if got := stateOf(t, b, "s0000"); got != health.Down {
			t.Errorf("after less than 5 good probes it is %v", got)
		}
		settle(4 * time.Second)
		if got := stateOf(t, b, "s0000"); got != health.Up {
			t.Errorf("after 5 good probes it is %v", got)
		}
	})
}

// The first results of a large pool come in at once, and are taken in so.
func TestManyResultsMakeFewPools(t *testing.T) {
	const n = 3000
	pools := &counted{Strategy: RoundRobin()}
	var probed atomic.Int64
	done := make(chan struct{})
	s := health.NewScheduler(health.Budget{PerSecond: 3 * n}, nil)
	b := New(pools, WithScheduler(s), WithHealth(Health{Check: &health.Check{Interval: time.Hour, Prober: proberFunc(func(string) error {
		if probed.Add(1) == n {
			close(done)
		}
		return nil
	})}}))
	if err := b.Replace(servers(n)); err != nil {
		t.Fatal(err)
	}
	stop := running(t, s.Run, b.Run)
	defer stop()
	<-done
	for b.Stats().Healthy < n {
		time.Sleep(time.Millisecond)
	}
	if made := pools.made.Load(); made > n/50 {
		t.Errorf("%d results made %d pools", n, made)
	}
}

// counted counts the pools that are made with a strategy.
type counted struct {
	Strategy
	made atomic.Int64
}

func (c *counted) Prepare(r Roster) Picker {
	c.made.Add(1)
	return c.Strategy.Prepare(r)
}
