package lb

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// waiting starts a caller of Acquire; what comes of it is sent to the channel.
func waiting(ctx context.Context, b *Balancer, q Query) <-chan outcome {
	out := make(chan outcome, 1)
	go func() {
		lease, err := b.Acquire(ctx, q)
		out <- outcome{&lease, err}
	}()
	synctest.Wait()
	return out
}

type outcome struct {
	lease *Lease
	err   error
}

// full makes a balancer of one place on each of n servers, all taken.
func full(t *testing.T, n int, q Queue) (*Balancer, []*Lease) {
	t.Helper()
	set := servers(n)
	for i := range set {
		set[i].MaxConnections = 1
	}
	b := New(RoundRobin(), WithQueue(q))
	if err := b.Replace(set); err != nil {
		t.Fatal(err)
	}
	leases := make([]*Lease, n)
	for range n {
		lease, err := b.Acquire(t.Context(), Query{})
		if err != nil {
			t.Fatal(err)
		}
		i, _ := strconv.Atoi(lease.Server().ID[1:])
		leases[i] = &lease
	}
	return b, leases
}

func (o outcome) mustBe(t *testing.T, id string) {
	t.Helper()
	if o.err != nil || o.lease.Server().ID != id {
		t.Errorf("the caller got %v and %v, want a place on %s", o.lease.Server(), o.err, id)
	}
}

func none(t *testing.T, out <-chan outcome) {
	t.Helper()
	synctest.Wait()
	select {
	case o := <-out:
		t.Errorf("a caller that should wait got %v and %v", o.lease.Server(), o.err)
	default:
	}
}

func TestQueueIsServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, leases := full(t, 1, Queue{Length: 2})
		first := waiting(t.Context(), b, Query{})
		second := waiting(t.Context(), b, Query{})
		if _, err := b.Acquire(t.Context(), Query{}); !errors.Is(err, ErrQueueFull) || !errors.Is(err, ErrNoCapacity) {
			t.Errorf("a third caller is told %v", err)
		}
		if s := b.Stats(); s.Waiting != 2 || s.Queued != 2 || s.Refused != 1 {
			t.Errorf("stats are %+v", s)
		}
		leases[0].Release()
		o := <-first
		o.mustBe(t, "s0000")
		none(t, second)
		o.lease.Release()
		o = <-second
		o.mustBe(t, "s0000")
		if s := b.Stats(); s.Waiting != 0 || s.Active != 1 {
			t.Errorf("at the end stats are %+v", s)
		}
	})
}

// Nobody who comes later is faster than those who wait.
func TestQueueIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, leases := full(t, 2, Queue{Length: 10})
		elsewhere := waiting(t.Context(), b, Query{Tried: []string{"s0000"}})
		next := waiting(t.Context(), b, Query{})
		leases[0].Release() // of no use to the one in front, so the next has it
		(<-next).mustBe(t, "s0000")
		late := waiting(t.Context(), b, Query{})
		leases[1].Release()
		(<-elsewhere).mustBe(t, "s0001")
		none(t, late)
		(&Lease{}).Release() // of no place at all
		none(t, late)
		b.SetQueue(Queue{}) // those who wait go on waiting
		none(t, late)
		if _, err := b.Acquire(t.Context(), Query{}); !errors.Is(err, ErrNoCapacity) {
			t.Errorf("without a queue the error is %v", err)
		}
		if err := b.Add(Server{ID: "x", Address: "x:1"}); err != nil {
			t.Fatal(err)
		}
		(<-late).mustBe(t, "x")
	})
}

func TestQueueGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, leases := full(t, 1, Queue{Length: 10, Timeout: time.Second})
		late := waiting(t.Context(), b, Query{})
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := waiting(ctx, b, Query{})
		why := errors.New("the client hung up")
		cancel(why)
		if o := <-gone; !errors.Is(o.err, why) {
			t.Errorf("a caller that is gone got %v", o.err)
		}
		start := time.Now()
		if o := <-late; !errors.Is(o.err, ErrQueueTimeout) || !errors.Is(o.err, ErrNoCapacity) || !strings.Contains(o.err.Error(), "1s") || time.Since(start) != time.Second {
			t.Errorf("after %v a caller got %v", time.Since(start), o.err)
		}
		if s := b.Stats(); s.Waiting != 0 || s.GaveUp != 2 {
			t.Errorf("stats are %+v", s)
		}
		leases[0].Release()
		if lease, err := b.Acquire(t.Context(), Query{}); err != nil || lease.Server() == nil {
			t.Errorf("nobody waits, a place is free, and the error is %v", err)
		}
	})
}

// Whatever happens to the servers, callers that wait hear of it.
func TestQueueHearsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what, tt := range map[string]struct {
			change func(*Balancer) error
			want   error
		}{
			"removed": {func(b *Balancer) error { return b.Remove("s0000") }, ErrNoServers},
			"drained": {func(b *Balancer) error { return b.SetDraining("s0000", true) }, ErrNoHealthy},
			"more": {func(b *Balancer) error {
				return b.Replace([]Server{{ID: "s0000", Address: servers(1)[0].Address, MaxConnections: 2}})
			}, nil},
			"no limit": {func(b *Balancer) error { return b.Replace(servers(1)) }, nil},
		} {
			b, _ := full(t, 1, Queue{Length: 10})
			out := waiting(t.Context(), b, Query{})
			if err := tt.change(b); err != nil {
				t.Fatal(err)
			}
			if o := <-out; !errors.Is(o.err, tt.want) {
				t.Errorf("%s: the caller got %v, want %v", what, o.err, tt.want)
			}
			if s := b.Stats(); s.Waiting != 0 || (s.GaveUp == 1) != (tt.want != nil) {
				t.Errorf("%s: stats are %+v", what, s)
			}
		}
	})
}

// No place gets lost between those who give back and those who begin to wait.
func TestQueueLosesNoPlace(t *testing.T) {
	const callers, limit = 64, 2
	set := servers(3)
	for i := range set {
		set[i].MaxConnections = limit
	}
	for _, strategy := range []Strategy{RoundRobin(), LeastConnections(), ConsistentHash(BoundedLoad(1.25))} {
		b := New(strategy, WithQueue(Queue{Length: callers}))
		if err := b.Replace(set); err != nil {
			t.Fatal(err)
		}
		var inside atomic.Int64
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for i := range 500 {
					lease, err := b.Acquire(t.Context(), Query{Key: strconv.Itoa(caller + i)})
					if err != nil {
						t.Errorf("Acquire: %v", err)
						return
					}
					if n := inside.Add(1); n > 3*limit {
						t.Errorf("%d at once", n)
					}
					if i%5 == 0 {
						runtime.Gosched()
					}
					inside.Add(-1)
					lease.Release()
				}
			})
		}
		wg.Wait()
		if s := b.Stats(); s.Active != 0 || s.Waiting != 0 || s.Requests != callers*500 || s.GaveUp != 0 {
			t.Errorf("%s: at the end stats are %+v", strategy.Name(), s)
		}
	}
}

// What time alone demands of the pool is done by whoever selects, where Run does
// not run, while others wait, ask for the numbers and are told by hooks.
func TestQueueBesideWhatTimeDemands(t *testing.T) {
	set := servers(3)
	for i := range set {
		set[i].MaxConnections = 1
	}
	var b *Balancer
	b = New(LeastConnections(), WithQueue(Queue{Length: 64}),
		WithHealth(ejecting(1, time.Millisecond, 2*time.Millisecond, 1)),
		WithPlacement(Placement{SlowStart: SlowStart{Window: 5 * time.Millisecond}}),
		WithHooks(Hooks{Change: func(Change) { b.Stats() }}))
	if err := b.Replace(set); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for caller := range 16 {
		wg.Go(func() {
			for i := range 300 {
				lease, err := b.Acquire(t.Context(), Query{})
				if err != nil {
					t.Errorf("Acquire: %v", err)
					return
				}
				if (i+caller)%7 == 0 {
					lease.Fail(errors.New("reset"))
				}
				b.Stats()
				lease.Release()
			}
		})
	}
	wg.Wait()
}

// How long callers waited is told of those who did, whether they got a place
// or not.
func TestWaitsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, leases := full(t, 1, Queue{Length: 2, Timeout: 3 * time.Second})
		told := make(chan time.Duration, 10)
		b.hooks.Waited = func(d time.Duration) { told <- d }
		placed := waiting(t.Context(), b, Query{})
		late := waiting(t.Context(), b, Query{})
		if _, err := b.Acquire(t.Context(), Query{}); !errors.Is(err, ErrQueueFull) {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		leases[0].Release()
		o := <-placed
		o.mustBe(t, "s0000")
		if o := <-late; !errors.Is(o.err, ErrQueueTimeout) {
			t.Error(o.err)
		}
		o.lease.Release()
		if _, err := b.Acquire(t.Context(), Query{}); err != nil { // who need not wait
			t.Error(err)
		}
		if placed, late := <-told, <-told; placed != 2*time.Second || late != 3*time.Second || len(told) > 0 {
			t.Errorf("told of %v, %v and %d more", placed, late, len(told))
		}
	})
}
