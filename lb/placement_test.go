package lb

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// grouped makes servers of words such as "a1" or "b0z": a letter, a priority
// and, where there is one, a zone.
func grouped(words string) (set []Server) {
	for i, w := range strings.Fields(words) {
		set = append(set, Server{ID: w[:1] + strconv.Itoa(i), Address: w + ":80", Priority: int(w[1] - '0'), Zone: w[2:]})
	}
	return set
}

// shares is the part of n selections that goes to each priority and zone.
func shares(t *testing.T, b *Balancer, n int) map[string]float64 {
	t.Helper()
	out := make(map[string]float64)
	for range n {
		lease, err := b.Select("")
		if err != nil {
			t.Fatal(err)
		}
		out[strconv.Itoa(lease.Server().Priority)+lease.Server().Zone] += 1 / float64(n)
		lease.Release()
	}
	return out
}

func TestTrafficSpillsOverAsTiersLoseServers(t *testing.T) {
	for _, tt := range []struct {
		words, down, zone string
		want              map[string]float64
	}{
		{"a0 b0 c0 d0 e0 x1 y1", "", "", map[string]float64{"0": 1}},
		{"a0 b0 c0 d0 e0 x1 y1", "a", "", map[string]float64{"0": 1}},                     // 1.4 * 4/5
		{"a0 b0 c0 d0 e0 x1 y1", "ab", "", map[string]float64{"0": 0.84, "1": 0.16}},      // 1.4 * 3/5
		{"a0 b0 c0 d0 e0 x1 y1", "abcd", "", map[string]float64{"0": 0.28, "1": 0.72}},    // 1.4 * 1/5
		{"a0 b0 c0 d0 e0 x1 y1", "abcde", "", map[string]float64{"1": 1}},                 // nobody left
		{"a0 b0 c0 d0 e0 x1 y1", "abcdx", "", map[string]float64{"0": 0.286, "1": 0.714}}, // 0.28 and 0.7, of 0.98
		{"a0 b0 x3 y3 z7", "ab", "", map[string]float64{"3": 1}},                          // numbers have gaps
		{"a0z b0z c0y d0y e1z", "", "z", map[string]float64{"0z": 1}},                     // own zone first
		{"a0z b0z c0y d0y e1z", "", "", map[string]float64{"0z": 0.5, "0y": 0.5}},         // none is one's own
		{"a0z b0z c0y d0y e1z", "a", "z", map[string]float64{"0z": 0.7, "0y": 0.3}},       // 1.4 * 1/2
		{"a0z b0z c0y d0y e1z", "ab", "z", map[string]float64{"0y": 1}},                   // priority before zone
		{"a0z b0z c0y d0y e1z", "abcd", "z", map[string]float64{"1z": 1}},                 //
		{"a0x b0x c0y d0y", "", "z", map[string]float64{"0x": 0.5, "0y": 0.5}},            // nobody of the zone
		{"a0z b0z c0z d0y e0y f0y", "abdef", "z", map[string]float64{"0z": 1}},            // too few, but all there are
	} {
		t.Run(tt.words+" without "+tt.down+" in "+tt.zone, func(t *testing.T) {
			b := New(RoundRobin(), WithRandom(seededSource(1)), WithPlacement(Placement{Zone: tt.zone}))
			if err := b.Replace(grouped(tt.words)); err != nil {
				t.Fatal(err)
			}
			planned := make(map[string]float64)
			for _, st := range b.AllStats() {
				if strings.Contains(tt.down, st.Server.ID[:1]) {
					if err := b.SetHealthy(st.Server.ID, false); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, st := range b.AllStats() {
				planned[strconv.Itoa(st.Server.Priority)+st.Server.Zone] += st.Place.Share
			}
			got := shares(t, b, 20000)
			for _, counts := range []map[string]float64{got, planned} {
				for tier, n := range counts {
					if math.Abs(n-tt.want[tier]) > 0.012 {
						t.Errorf("shares are %v, planned are %v, want %v", got, planned, tt.want)
						break
					}
				}
			}
		})
	}
}

// A tier whose servers are all at their limit is no reason to fail.
func TestFullTiersAreHelpedOut(t *testing.T) {
	set := grouped("a0 b0 x1")
	for i := range set {
		set[i].MaxConnections = 1
	}
	b := balancerOf(t, RoundRobin(), set...)
	order := ""
	for range set {
		lease, err := b.Select("")
		if err != nil {
			t.Fatal(err)
		}
		order += strconv.Itoa(lease.Server().Priority)
	}
	if order != "001" {
		t.Errorf("places were taken in the order %s", order)
	}
}

// That one failover group is dead is no reason to use its dead, as long as
// another can carry everything.
func TestNoPanicWhereAnotherTierIsWell(t *testing.T) {
	b := New(nil, WithHealth(Health{Policy: health.Policy{PanicThreshold: 0.5}}))
	if err := b.Replace(grouped("a0 b0 c0 x1")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a0", "b1", "c2"} {
		if err := b.SetHealthy(id, false); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.Stats(); s.Panic || s.Usable != 1 {
		t.Errorf("with a group to go to: %+v", s)
	}
	if err := b.SetHealthy("x3", false); err != nil {
		t.Fatal(err)
	}
	if s := b.Stats(); !s.Panic || s.Usable != 4 {
		t.Errorf("with none to go to: %+v", s)
	}
}

// A key goes to one tier as long as shares stay as they are.
func TestKeysKeepToTheirTier(t *testing.T) {
	b := balancerOf(t, ConsistentHash(), grouped("a0 b0 x1 y1")...)
	if err := b.SetHealthy("a0", false); err != nil {
		t.Fatal(err)
	}
	count := map[int]int{}
	for i := range 1000 {
		key := strconv.Itoa(i)
		one, _ := b.Select(key)
		two, _ := b.Select(key)
		if one.Server() != two.Server() {
			t.Fatalf("key %s goes to %s and to %s", key, one.Server().ID, two.Server().ID)
		}
		count[one.Server().Priority]++
	}
	if count[0] < 640 || count[0] > 760 {
		t.Errorf("the first tier has %d keys of 1000, should have 700", count[0])
	}
}

func TestDrainByHand(t *testing.T) {
	b := balancerOf(t, RoundRobin(), servers(2)...)
	before, _ := b.Select("", "s0001")
	if err := b.SetDraining("s0000", true); err != nil {
		t.Fatal(err)
	}
	st, _ := b.ServerStats("s0000")
	if st.Verdict.State != health.Draining || st.Reason != "drained by hand" || st.Active != 1 {
		t.Errorf("drained, the server is %v: %q, with %d leases", st.Verdict.State, st.Reason, st.Active)
	}
	if n := picksOf(t, b, 10, "s0000"); n != 0 {
		t.Errorf("while it drains it got %d", n)
	}
	before.Record(time.Millisecond)
	before.Release()
	if err := b.SetDraining("s0000", false); err != nil {
		t.Fatal(err)
	}
	if n := picksOf(t, b, 10, "s0000"); n != 5 {
		t.Errorf("back again it got %d of 10", n)
	}
}

func TestRamp(t *testing.T) {
	for _, tt := range []struct {
		s    SlowStart
		age  time.Duration
		part float64
	}{
		{SlowStart{}, 0, 1},
		{SlowStart{Window: 10 * time.Second}, 0, 0.1},
		{SlowStart{Window: 10 * time.Second}, 500 * time.Millisecond, 0.1},
		{SlowStart{Window: 10 * time.Second}, 5 * time.Second, 0.5},
		{SlowStart{Window: 10 * time.Second}, 10 * time.Second, 1},
		{SlowStart{Window: 10 * time.Second}, -time.Hour, 0.1}, // the clock was set back
		{SlowStart{Window: 10 * time.Second, Aggression: 2}, 2500 * time.Millisecond, 0.5},
		{SlowStart{Window: 10 * time.Second, Aggression: 0.5}, 5 * time.Second, 0.25},
		{SlowStart{Window: 10 * time.Second, Least: 0.4}, time.Second, 0.4},
	} {
		part, next := tt.s.part(tt.age)
		if math.Abs(part-tt.part) > 0.02 || (next == 0) != (part == 1) {
			t.Errorf("%+v at %v gives %.2f, for %v; want %.2f", tt.s, tt.age, part, next, tt.part)
		}
	}
}

// A server that joins, or is back, gets more and more of its share, under every
// strategy that goes by shares, and keeps its age over whatever else happens.
func TestSlowStart(t *testing.T) {
	every(t, func(t *testing.T, s Strategy) {
		if s.Name() == "first" {
			t.Skip("it goes by order, not by shares")
		}
		synctest.Test(t, func(t *testing.T) {
			b := New(s, WithPlacement(Placement{SlowStart: SlowStart{Window: 100 * time.Second}}))
			if err := b.Replace(servers(4)); err != nil {
				t.Fatal(err)
			}
			if st, _ := b.ServerStats("s0000"); st.Place.Part != 0.1 || st.Place.Share != 0.25 {
				t.Errorf("at a start for all a server has %v of its weight and %v of all requests", st.Place.Part, st.Place.Share)
			}
			time.Sleep(200 * time.Second)
			set := append(servers(4), Server{ID: "new", Address: "new:80"})
			if err := b.Replace(set); err != nil {
				t.Fatal(err)
			}
			for _, part := range []float64{0.1, 0.4, 0.8, 1} {
				want := part / (4 + part)
				st, _ := b.ServerStats("new")
				if math.Abs(st.Place.Part-part) > 0.001 || math.Abs(st.Place.Share-want) > 0.001 {
					t.Errorf("new for %v, it has %.3f of its weight, %.3f of all; want %.3f, %.3f",
						time.Since(st.Since), st.Place.Part, st.Place.Share, part, want)
				}
				if got := float64(picks(t, b, 4000, time.Millisecond)["new"]) / 4000; math.Abs(got-want) > 0.035 {
					t.Errorf("at %.1f of its weight it gets %.3f of the requests, want %.3f", part, got, want)
				}
				set[4].Zone += "z" // the catalog says something else of it
				if err := b.Replace(set); err != nil {
					t.Fatal(err)
				}
				time.Sleep(40 * time.Second)
			}
		})
	})
}

func TestSlowStartAfterAnEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(RoundRobin(), WithHealth(ejecting(1, time.Minute, time.Minute, 1)),
			WithPlacement(Placement{SlowStart: SlowStart{Window: 10 * time.Second}}))
		if err := b.Replace(servers(3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		fail(b, "s0001", 1)
		time.Sleep(61 * time.Second)
		if st, _ := b.ServerStats("s0001"); st.Place.Part != 0.1 {
			t.Errorf("back from an ejection it has %v of its weight at once", st.Place.Part)
		}
	})
}

// The subsets of many clients cover the servers evenly, and hardly move when a
// server comes or goes.
func TestSubsetsAreEvenAndStable(t *testing.T) {
	const n, size, clients = 100, 10, 1000
	for name, client := range map[string]func(int) string{
		"by number": strconv.Itoa,
		"by name":   func(i int) string { return fmt.Sprintf("host-%d/app", i) },
	} {
		t.Run(name, func(t *testing.T) {
			used := make(map[string]int)
			moved := 0
			for i := range clients {
				b := New(nil, WithPlacement(Placement{Subset: Subset{Size: size, Client: client(i)}}))
				if err := b.Replace(servers(n)); err != nil {
					t.Fatal(err)
				}
				mine := make(map[string]bool)
				for _, st := range b.AllStats() {
					if st.Usable() {
						mine[st.Server.ID] = true
						used[st.Server.ID]++
					} else if !st.Place.Spared {
						t.Fatalf("%s is neither used nor spared: %+v", st.Server.ID, st.Place)
					}
				}
				if len(mine) != size {
					t.Fatalf("client %d uses %d servers", i, len(mine))
				}
				if err := b.SetHealthy("s0042", false); err != nil { // one that is down is stood in for
					t.Fatal(err)
				}
				others := 0
				for _, st := range b.AllStats() {
					if st.Usable() && !mine[st.Server.ID] {
						others++
					}
				}
				if mine["s0042"] != (others == 1) || others > 1 {
					t.Fatalf("client %d, which uses s0042: %v, has %d others when it is down", i, mine["s0042"], others)
				}
				if err := b.Remove("s0042"); err != nil {
					t.Fatal(err)
				}
				for _, st := range b.AllStats() {
					if st.Usable() && !mine[st.Server.ID] && st.Server.ID != "s0042" {
						moved++
					}
				}
			}
			most := 0
			for _, k := range used {
				most = max(most, k)
			}
			if allowed := map[string]int{"by number": 103, "by name": 135}[name]; len(used) != n || most > allowed {
				t.Errorf("%d of %d servers are used, one by %d clients; the mean is %d", len(used), n, most, clients*size/n)
			}
			if moved > 2*clients {
				t.Errorf("when a server leaves, %d clients use %d others", clients, moved)
			}
		})
	}
}

func TestServersWithAnOddPriorityAreRefused(t *testing.T) {
	for _, p := range []int{-1, MaxPriority + 1} {
		if err := New(nil).Add(Server{ID: "a", Address: "a:1", Priority: p}); err == nil || !strings.Contains(err.Error(), "priority") {
			t.Errorf("priority %d gives %v", p, err)
		}
	}
}
