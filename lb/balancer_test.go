package lb

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func ids(stats []ServerStats) (ids []string) {
	for _, s := range stats {
		ids = append(ids, s.Server.ID)
	}
	return ids
}

func stateOf(t *testing.T, b *Balancer, id string) health.State {
	t.Helper()
	st, ok := b.ServerStats(id)
	if !ok {
		t.Fatalf("no server %q", id)
	}
	return st.Verdict.State
}

func TestServersComeAndGo(t *testing.T) {
	b := New(nil)
	if got := b.Strategy().Name(); got != "round_robin" {
		t.Errorf("the default strategy is %q", got)
	}
	if _, err := b.Select(""); !errors.Is(err, ErrNoServers) {
		t.Errorf("an empty balancer says %v", err)
	}
	for _, s := range []Server{{ID: "b", Address: "b:1"}, {ID: "a", Address: "a:1", Zone: "z"}} {
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(b.AllStats()); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("servers are %v", got)
	}
	if err := b.Add(Server{ID: "a", Address: "x:1"}); err == nil {
		t.Error("the same ID was added twice")
	}
	if err := b.Remove("c"); !errors.Is(err, ErrUnknownServer) {
		t.Errorf("removing nobody says %v", err)
	}
	if err := b.Remove("a"); err != nil {
		t.Fatal(err)
	}
	for id := range picks(t, b, 10, 1) {
		if id != "b" {
			t.Errorf("%s was picked after its removal", id)
		}
	}
	if s := b.Stats(); s.Servers != 1 || s.Healthy != 1 || s.Usable != 1 || s.Requests != 10 {
		t.Errorf("stats are %+v", s)
	}
}

func TestInvalidServersChangeNothing(t *testing.T) {
	b := balancerOf(t, RoundRobin(), servers(2)...)
	for _, bad := range []Server{
		{Address: "a:1"}, {ID: "a"}, {ID: "a", Address: "a:1", Weight: -1},
		{ID: "a", Address: "a:1", Weight: MaxWeight + 1}, {ID: "a", Address: "a:1", MaxConnections: -1},
	} {
		if err := b.Add(bad); err == nil {
			t.Errorf("%+v was added", bad)
		}
		if err := b.Replace([]Server{{ID: "good", Address: "g:1"}, bad}); err == nil {
			t.Errorf("%+v was put in place", bad)
		}
	}
	if err := b.Replace([]Server{{ID: "a", Address: "a:1"}, {ID: "a", Address: "b:1"}}); err == nil {
		t.Error("an ID may occur twice")
	}
	if got := ids(b.AllStats()); !slices.Equal(got, []string{"s0000", "s0001"}) {
		t.Errorf("the servers have become %v", got)
	}
}

func TestStatsOfAServer(t *testing.T) {
	b := balancerOf(t, RoundRobin(), servers(1)...)
	one, _ := b.Select("")
	two, _ := b.Select("")
	one.Record(30 * time.Millisecond)
	one.Release()
	two.Record(10 * time.Millisecond)
	three, _ := b.Select("")
	three.Fail(errors.New("reset"))
	st, ok := b.ServerStats("s0000")
	if !ok || st.Active != 2 || st.Requests != 3 || st.Failures != 1 {
		t.Errorf("got %+v", st)
	}
	if st.ResponseTime != 10*time.Millisecond || st.Busy != 40*time.Millisecond {
		t.Errorf("last %v, sum %v", st.ResponseTime, st.Busy)
	}
	if st.MeanResponseTime < 10*time.Millisecond || st.MeanResponseTime > 30*time.Millisecond {
		t.Errorf("mean %v", st.MeanResponseTime)
	}
	if _, ok := b.ServerStats("nobody"); ok {
		t.Error("stats of nobody")
	}
}

func TestMarkByHand(t *testing.T) {
	b := balancerOf(t, RoundRobin(), servers(2)...)
	if err := b.SetHealthy("s0000", false); err != nil {
		t.Fatal(err)
	}
	if got := picks(t, b, 10, 1); got["s0001"] != 10 {
		t.Errorf("picks are %v", got)
	}
	if s := b.Stats(); s.Servers != 2 || s.Healthy != 1 {
		t.Errorf("stats are %+v", s)
	}
	if err := b.SetHealthy("s0001", false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Select(""); !errors.Is(err, ErrNoHealthy) {
		t.Errorf("with none healthy: %v", err)
	}
	if err := b.SetHealthy("s0000", true); err != nil {
		t.Fatal(err)
	}
	if got := picks(t, b, 10, 1); got["s0000"] != 10 {
		t.Errorf("picks are %v", got)
	}
	if err := b.SetHealthy("nobody", true); !errors.Is(err, ErrUnknownServer) {
		t.Errorf("marking nobody says %v", err)
	}
}

func TestStrategyChangesWhileRunning(t *testing.T) {
	b := balancerOf(t, RoundRobin(), servers(3)...)
	held, _ := b.Select("")
	b.SetStrategy(LeastConnections())
	if got := b.Strategy().Name(); got != "least_connections" {
		t.Errorf("the strategy is %q", got)
	}
	for id := range picks(t, b, 20, 1) {
		if id == held.Server().ID {
			t.Error("least connections forgot the lease given under round robin")
		}
	}
}

func TestDeclarationsDecide(t *testing.T) {
	declared := func(id string, s health.Status, warning int) Server {
		return Server{ID: id, Address: id + ":1", Weight: 4, Declared: health.Declaration{Status: s, Check: "check-" + id, WarningWeight: warning}}
	}
	b := balancerOf(t, RoundRobin(),
		declared("passing", health.Passing, 1), declared("warning", health.Warning, 1), declared("shy", health.Warning, 0),
		declared("critical", health.Critical, 1), declared("maintained", health.Maintenance, 1))
	want := map[string]health.State{"passing": health.Up, "warning": health.Up, "shy": health.Down, "critical": health.Down, "maintained": health.Draining}
	for id, state := range want {
		if got := stateOf(t, b, id); got != state {
			t.Errorf("%s is %v, want %v", id, got, state)
		}
	}
	if got := picks(t, b, 500, 1); got["passing"] != 400 || got["warning"] != 100 {
		t.Errorf("picks are %v", got)
	}
	if st, _ := b.ServerStats("critical"); !strings.Contains(st.Reason, "check-critical") || st.Verdict.Rule != 7 {
		t.Errorf("critical is explained by rule %d: %s", st.Verdict.Rule, st.Reason)
	}
	b.SetFreshness(health.Stale)
	if st, _ := b.ServerStats("critical"); st.Verdict.Rule != 9 {
		t.Errorf("stale and critical is explained by rule %d", st.Verdict.Rule)
	}
	b.SetFreshness(health.Expired)
	if got := picks(t, b, 100, 1); got["passing"] != 34 && got["passing"] != 33 {
		t.Errorf("once the catalog's word has expired, picks are %v", got)
	}
}

func TestRemovedServersAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := balancerOf(t, RoundRobin(), servers(2)...)
		held, err := b.Select("", "s0000")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Replace(servers(1)); err != nil {
			t.Fatal(err)
		}
		all := b.AllStats()
		if len(all) != 2 || all[1].Server.ID != "s0001" || all[1].Verdict.State != health.Draining || all[1].Active != 1 || all[1].Usable() {
			t.Fatalf("after its removal: %+v", all)
		}
		time.Sleep(time.Hour)
		if got := len(b.AllStats()); got != 2 {
			t.Errorf("a server with a request in flight was forgotten")
		}
		held.Release()
		if got := len(b.AllStats()); got != 1 {
			t.Errorf("%d servers known after the last request ended", got)
		}
	})
}

func ejecting(n int, base, longest time.Duration, share float64) Health {
	return Health{Ejection: health.Ejection{Failures: n, Base: base, Max: longest, MaxShare: share}}
}

// fail lets n requests in a row fail at one server.
func fail(b *Balancer, id string, n int) {
	for range n {
		failWith(b, id, errors.New("connection refused"))
	}
}

func failWith(b *Balancer, id string, cause error) {
	b.mu.Lock()
	m := b.members[id]
	b.mu.Unlock()
	lease := Lease{balancer: b, candidate: &Candidate{server: m.spec, member: m}}
	lease.Fail(cause)
}

func TestEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(RoundRobin(), WithHealth(ejecting(3, 10*time.Second, time.Minute, 0.5)))
		if err := b.Replace(servers(4)); err != nil {
			t.Fatal(err)
		}
		fail(b, "s0000", 2)
		record(b, "s0000", time.Millisecond)
		fail(b, "s0000", 2)
		if got := stateOf(t, b, "s0000"); got != health.Up {
			t.Errorf("four failures, but not three in a row: %v", got)
		}
		for n, length := range []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second} {
			fail(b, "s0000", 3)
			st, _ := b.ServerStats("s0000")
			if st.Verdict.State != health.Ejected || !strings.Contains(st.Reason, "connection refused") {
				t.Fatalf("ejection %d: %v, %s", n+1, st.Verdict.State, st.Reason)
			}
			if got := time.Until(st.EjectedUntil); got != length {
				t.Errorf("ejection %d lasts %v, want %v", n+1, got, length)
			}
			time.Sleep(length - 1)
			if got := picks(t, b, 12, 1); got["s0000"] != 0 {
				t.Errorf("picked while ejected: %v", got)
			}
			time.Sleep(1)
			if got := picks(t, b, 12, 1); got["s0000"] != 3 { // Select itself ends it
				t.Errorf("not picked after the ejection: %v", got)
			}
		}
		time.Sleep(2 * time.Minute) // longer than the longest: a fresh start
		fail(b, "s0000", 3)
		if st, _ := b.ServerStats("s0000"); time.Until(st.EjectedUntil) != 10*time.Second || st.Ejections != 4 {
			t.Errorf("after a long time of good behaviour it is out for %v, ejected %d times", time.Until(st.EjectedUntil), st.Ejections)
		}
		fail(b, "s0001", 3)
		fail(b, "s0002", 3)
		fail(b, "s0003", 3)
		if s := b.Stats(); s.Healthy != 2 {
			t.Errorf("%d of 4 are up though at most half may be ejected", s.Healthy)
		}
	})
}

func TestTheLastOneIsNeverEjected(t *testing.T) {
	b := New(RoundRobin(), WithHealth(ejecting(1, time.Hour, time.Hour, 1)))
	if err := b.Replace(servers(3)); err != nil {
		t.Fatal(err)
	}
	for _, s := range servers(3) {
		fail(b, s.ID, 5)
	}
	if s := b.Stats(); s.Healthy != 1 {
		t.Fatalf("%d servers are up", s.Healthy)
	}
	// Nor may the ejected be all that a change leaves, and then be of no use.
	if err := b.Replace(servers(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Select(""); err != nil {
		t.Errorf("only ejected servers are left, and: %v", err)
	}
}

// Without traffic nobody asks for a server, yet the ejection ends on time.
func TestRunEndsEjections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back time.Time
		start := time.Now()
		b := New(RoundRobin(), WithHealth(ejecting(1, 10*time.Second, time.Minute, 1)), WithHooks(Hooks{Change: func(c Change) {
			if c.From.State == health.Ejected && c.To.State == health.Up {
				back = time.Now()
			}
		}}))
		if err := b.Replace(servers(2)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		synctest.Wait()
		fail(b, "s0000", 1)
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		if got := back.Sub(start); got != 10*time.Second {
			t.Errorf("came back after %v", got)
		}
	})
}

func TestHooksTellEachChangeInOrder(t *testing.T) {
	var told []string
	b := New(RoundRobin(), WithHealth(Health{Policy: health.Policy{PanicThreshold: 0.5}}))
	b.hooks = Hooks{
		Change: func(c Change) {
			told = append(told, c.Server.ID+" "+c.From.State.String()+" "+c.To.State.String())
			if c.Server.ID == "s0001" && c.To.State == health.Down {
				_ = b.SetHealthy("s0002", false) // a hook may change things itself
			}
		},
		Panic: func(on bool, usable, known int) {
			told = append(told, "panic "+map[bool]string{true: "on", false: "off"}[on])
			if usable != 3 && on || known != 3 {
				t.Errorf("panic tells %d of %d", usable, known)
			}
		},
	}
	if err := b.Replace(servers(3)); err != nil {
		t.Fatal(err)
	}
	for _, healthy := range []bool{false, true} {
		if err := b.SetHealthy("s0001", healthy); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"s0000 unseen up", "s0001 unseen up", "s0002 unseen up",
		"s0001 up down", "s0002 up down", "panic on",
		"s0001 down up", "panic off",
	}
	if !reflect.DeepEqual(told, want) {
		t.Errorf("told\n %q, want\n %q", told, want)
	}
}

func TestNewServersWaitForTheirProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick := map[string]bool{"10.0.0.2:80": true}
		b := New(RoundRobin(), WithHealth(Health{Check: &health.Check{Interval: time.Second, Prober: proberFunc(func(address string) error {
			if sick[address] {
				return errors.New("sick")
			}
			return nil
		})}}))
		if err := b.Replace(servers(2)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		if s := b.Stats(); s.Healthy != 2 {
			t.Errorf("before any probe %d of 2 are up", s.Healthy)
		}
		time.Sleep(time.Second)
		if err := b.Replace(servers(3)); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, b, "s0002"); got != health.Pending {
			t.Errorf("a new server among proven ones is %v", got)
		}
		time.Sleep(5 * time.Second)
		if st, _ := b.ServerStats("s0002"); st.Verdict.State != health.Down || st.Probe.Output != "sick" || !strings.Contains(st.Reason, "sick") {
			t.Errorf("after bad probes: %+v", st)
		}
		b.SetHealth(Health{}) // the checks are taken away: their word with them
		time.Sleep(time.Second)
		if st, _ := b.ServerStats("s0002"); st.Probe.Status != health.Unprobed || st.Verdict.State != health.Up {
			t.Errorf("without checks a server that had failed them is %v", st.Verdict.State)
		}
		stop()
		synctest.Wait()
	})
}

// A reload that changes the check must not put proven servers back to pending.
func TestANewCheckGoesOnFromWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := &health.Check{Interval: time.Second, Prober: proberFunc(func(string) error { return nil })}
		bad := &health.Check{Interval: time.Second, Fall: 3, Prober: proberFunc(func(string) error { return errors.New("sick") })}
		var told []health.State
		b := New(RoundRobin(), WithHealth(Health{Check: good}), WithHooks(Hooks{Change: func(c Change) { told = append(told, c.To.State) }}))
		if err := b.Replace(servers(1)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		time.Sleep(5 * time.Second)
		b.SetHealth(Health{Check: bad})
		time.Sleep(10 * time.Second)
		stop()
		synctest.Wait()
		if !slices.Equal(told, []health.State{health.Up, health.Down}) {
			t.Errorf("states went %v", told)
		}
	})
}

// A server that could not be reached is back as soon as it can be, long before
// its ejection is over; one that was ejected for another cause is not.
func TestUnreachableServersAreTriedWhileEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		b := New(RoundRobin(), WithHealth(Health{
			Ejection: health.Ejection{Failures: 2, Base: time.Hour, Max: time.Hour, MaxShare: 1},
			Reach: &health.Check{Interval: time.Second, Prober: proberFunc(func(string) error {
				if !up.Load() {
					return errors.New("connection refused")
				}
				return nil
			})},
		}))
		if err := b.Replace(servers(3)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = b.Run(ctx) }()
		for id, cause := range map[string]error{"s0000": fmt.Errorf("dial: %w", ErrUnreachable), "s0001": errors.New("it answered 503")} {
			for range 2 {
				failWith(b, id, cause)
			}
			if got := stateOf(t, b, id); got != health.Ejected {
				t.Fatalf("%s is %v", id, got)
			}
		}
		time.Sleep(10 * time.Second)
		if got := stateOf(t, b, "s0000"); got != health.Ejected {
			t.Errorf("while it cannot be reached it is %v", got)
		}
		up.Store(true)
		time.Sleep(1200 * time.Millisecond)
		if got := stateOf(t, b, "s0000"); got != health.Up {
			t.Errorf("it can be reached again, but is %v", got)
		}
		if got := stateOf(t, b, "s0001"); got != health.Ejected {
			t.Errorf("a server that can be reached but answered 503 is %v", got)
		}
		stop()
		synctest.Wait()
	})
}

// One that cannot be reached is out at once, and back at once, whatever the
// strategy: one that shuns it after a failure would not come to a second, nor
// come back to it soon.
func TestUnreachableServersAreOutAndBackAtOnce(t *testing.T) {
	every(t, func(t *testing.T, s Strategy) {
		synctest.Test(t, func(t *testing.T) {
			var listens atomic.Bool
			b := New(s, WithHealth(Health{
				Ejection: health.Ejection{Failures: 5, Base: time.Hour, Max: time.Hour, MaxShare: 0.1},
				Reach: &health.Check{Interval: 500 * time.Millisecond, Prober: proberFunc(func(string) error {
					if !listens.Load() {
						return errors.New("refused")
					}
					return nil
				})},
			}))
			set := servers(4)
			if s.Name() == "first" { // which takes only who stands first
				set = set[:2]
			}
			if err := b.Replace(set); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { _ = b.Run(ctx); close(done) }()
			picks(t, b, 400, 5*time.Millisecond)
			check := func(after string) {
				t.Helper()
				if st, _ := b.ServerStats("s0000"); st.Verdict.State != health.Ejected || !strings.Contains(st.Reason, ErrUnreachable.Error()) {
					t.Errorf("after %s it is %v: %s", after, st.Verdict.State, st.Reason)
				}
			}
			failWith(b, "s0000", fmt.Errorf("connect: %w", ErrUnreachable))
			check("a failure to connect")
			if n := picks(t, b, 100, 5*time.Millisecond)["s0000"]; n != 0 {
				t.Errorf("while it is out it got %d requests", n)
			}
			listens.Store(true)
			time.Sleep(2 * time.Second)
			if n := picks(t, b, 400, 5*time.Millisecond)["s0000"]; n < 40 {
				t.Errorf("two seconds after it listens again it got %d of 400 requests", n)
			}
			listens.Store(false) // a connection breaks first, and nobody may come to make another
			failWith(b, "s0000", errors.New("reset"))
			time.Sleep(time.Second)
			check("a connection that broke")
			listens.Store(true)
			time.Sleep(time.Second)
			failWith(b, "s0000", errors.New("503")) // it can be reached, so that one failure is no reason
			time.Sleep(time.Second)
			if st, _ := b.ServerStats("s0000"); st.Verdict.State != health.Up {
				t.Errorf("after a failure of one that can be reached it is %v: %s", st.Verdict.State, st.Reason)
			}
			stop()
			<-done
		})
	})
}
