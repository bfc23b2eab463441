package lb

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// every runs a test for each strategy there is.
func every(t *testing.T, test func(t *testing.T, s Strategy)) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			s, err := ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			test(t, s)
		})
	}
}

func balancerOf(t testing.TB, s Strategy, set ...Server) *Balancer {
	t.Helper()
	b := New(s)
	if err := b.Replace(set); err != nil {
		t.Fatal(err)
	}
	return b
}

func seededSource(seed uint64) func() uint64 { return rand.New(rand.NewPCG(seed, 0)).Uint64 }

// seeded is balancerOf with chance that repeats.
func seeded(t testing.TB, seed uint64, s Strategy, set ...Server) *Balancer {
	t.Helper()
	b := New(s, WithRandom(seededSource(seed)))
	if err := b.Replace(set); err != nil {
		t.Fatal(err)
	}
	return b
}

// picks counts where n selections with different keys go; each answers after
// took and is released before the next.
func picks(t testing.TB, b *Balancer, n int, took time.Duration, tried ...string) map[string]int {
	t.Helper()
	count := make(map[string]int)
	for i := range n {
		lease, err := b.Select("10.1."+strconv.Itoa(i/256%256)+"."+strconv.Itoa(i%256), tried...)
		if err != nil {
			t.Fatalf("pick %d: %v", i, err)
		}
		count[lease.Server().ID]++
		lease.Record(took)
		lease.Release()
	}
	return count
}

func TestStrategiesKeepTheirNames(t *testing.T) {
	every(t, func(t *testing.T, s Strategy) {
		if b := New(s); b.Strategy().Name() != strings.Split(t.Name(), "/")[1] {
			t.Errorf("Name() is %q", s.Name())
		}
	})
	if _, err := ByName("fastest"); err == nil || !strings.Contains(err.Error(), "least_connections") {
		t.Errorf("an unknown name should list the known ones, got: %v", err)
	}
}

// Every strategy gives shares by weight where nothing else tells the servers
// apart.
func TestSharesFollowWeights(t *testing.T) {
	weights := map[string]int{"a": 1, "b": 2, "c": 3, "d": 6}
	every(t, func(t *testing.T, s Strategy) {
		if s.Name() == "first" {
			t.Skip("it goes by order, not by shares")
		}
		b := New(s)
		for id, w := range weights {
			if err := b.Add(Server{ID: id, Address: id + ":80", Weight: w}); err != nil {
				t.Fatal(err)
			}
		}
		const n = 48000
		for id, got := range picks(t, b, n, time.Millisecond) {
			want := float64(n*weights[id]) / 12
			if math.Abs(float64(got)-want) > 0.05*want {
				t.Errorf("%s with weight %d got %d picks, want about %.0f", id, weights[id], got, want)
			}
		}
	})
}

func TestTriedServersAreLeftOut(t *testing.T) {
	every(t, func(t *testing.T, s Strategy) {
		for _, n := range []int{3, 50} { // scanned and sampled pools
			b := balancerOf(t, s, servers(n)...)
			for id := range picks(t, b, 1000, time.Millisecond, "s0000", "s0002") {
				if id == "s0000" || id == "s0002" {
					t.Errorf("%d servers: %s was picked though it was tried", n, id)
				}
			}
			all := make([]string, n)
			for i := range all {
				all[i] = fmt.Sprintf("s%04d", i)
			}
			if lease, err := b.Select("k", all[1:]...); err != nil || lease.Server().ID != "s0000" {
				t.Errorf("%d servers: the only one left was not found: %v", n, err)
			}
			if _, err := b.Select("k", all...); !errors.Is(err, ErrAllTried) {
				t.Errorf("%d servers: all tried gives %v", n, err)
			}
		}
	})
}

func TestFullServersAreLeftOut(t *testing.T) {
	every(t, func(t *testing.T, s Strategy) {
		for _, n := range []int{4, 40} {
			set := servers(n)
			for i := range set {
				set[i].MaxConnections = 2
			}
			b := balancerOf(t, s, set...)
			count := make(map[string]int)
			leases := make([]*Lease, 0, 2*n)
			for range 2 * n { // one key, so that hashing has to spill over
				lease, err := b.Select("same")
				if err != nil {
					t.Fatalf("with places left: %v", err)
				}
				count[lease.Server().ID]++
				leases = append(leases, &lease)
			}
			for id, c := range count {
				if c != 2 {
					t.Errorf("%s holds %d leases, its limit is 2", id, c)
				}
			}
			if _, err := b.Select("same"); !errors.Is(err, ErrNoCapacity) {
				t.Errorf("all full gives %v", err)
			}
			for _, l := range leases {
				l.Release()
			}
			if _, err := b.Select("same"); err != nil {
				t.Errorf("after release: %v", err)
			}
		}
	})
}

func TestSelectDoesNotAllocate(t *testing.T) {
	every(t, func(t *testing.T, s Strategy) {
		for _, n := range []int{3, 100} {
			b := balancerOf(t, s, servers(n)...)
			if got := testing.AllocsPerRun(1000, func() {
				lease, err := b.Select("192.0.2.1")
				if err != nil {
					t.Fatal(err)
				}
				lease.Record(time.Millisecond)
				lease.Release()
			}); got != 0 {
				t.Errorf("%d servers: %v allocations a selection", n, got)
			}
		}
	})
}

// With the pool changing under them, selections only ever fail for the reason
// that there is no server, and every lease is given back.
func TestSelectWhileEverythingChanges(t *testing.T) {
	every(t, func(t *testing.T, s Strategy) {
		b := New(s, WithHealth(Health{Ejection: health.Ejection{Failures: 3, Base: time.Millisecond, Max: time.Millisecond, MaxShare: 0.5}}))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					lease, err := b.Select(strconv.Itoa(i))
					if err != nil {
						if !errors.Is(err, ErrNoServers) && !errors.Is(err, ErrNoCapacity) {
							t.Errorf("Select: %v", err)
							return
						}
						continue
					}
					if i%3 == 0 {
						lease.Fail(errors.New("down"))
					} else {
						lease.Record(time.Microsecond)
					}
					lease.Release()
				}
			})
		}
		set := servers(8)
		for i := range set {
			set[i].MaxConnections = 1
		}
		for i := range 40 {
			if err := b.Replace(set[:i%len(set)]); err != nil {
				t.Fatal(err)
			}
			b.SetStrategy(s)
			b.AllStats()
		}
		close(stop)
		wg.Wait()
		for _, st := range b.AllStats() {
			if st.Active != 0 {
				t.Errorf("%s is left with %d active", st.Server.ID, st.Active)
			}
		}
	})
}

func TestRotationIsExactUnderConcurrency(t *testing.T) {
	b := balancerOf(t, RoundRobin(), servers(7)...)
	const callers, each = 8, 7 * 125
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				lease, err := b.Select("")
				if err != nil {
					t.Error(err)
					return
				}
				lease.Release()
			}
		})
	}
	wg.Wait()
	for _, st := range b.AllStats() {
		if st.Requests != callers*each/7 {
			t.Errorf("%s got %d of %d", st.Server.ID, st.Requests, callers*each)
		}
	}
}

// A new pool goes on where the last one stood. If each began at its first
// server, a pool that changes often would send nearly everything there.
func TestRotationSurvivesChanges(t *testing.T) {
	b := balancerOf(t, RoundRobin(), servers(10)...)
	count := make(map[string]int)
	for i := range 5000 {
		set := servers(10)
		set[i%10].Zone = strconv.Itoa(i)
		if err := b.Replace(set); err != nil {
			t.Fatal(err)
		}
		lease, _ := b.Select("")
		count[lease.Server().ID]++
		lease.Release()
	}
	for id, n := range count {
		if n != 500 {
			t.Errorf("%s got %d of 5000 picks, want 500", id, n)
		}
	}
}

// Agents that start together must not all begin with the same server.
func TestRotationStartsAtRandom(t *testing.T) {
	first := make(map[string]bool)
	for range 50 {
		b := balancerOf(t, RoundRobin(), servers(10)...)
		lease, _ := b.Select("")
		first[lease.Server().ID] = true
	}
	if len(first) < 3 {
		t.Errorf("50 rotations over 10 servers began with only %d different ones", len(first))
	}
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		turns []int64
		lags  []float64
		want  string
	}{
		{[]int64{5, 1, 1}, []float64{0, 0, 0}, "abaacaa"},
		{[]int64{5, 1, 1}, []float64{-0.6, 0.2, 0.4}, "cabaaaa"},
		{[]int64{1, 1}, []float64{0, 0}, "ab"},
		{[]int64{1, 1}, []float64{-0.5, 0.5}, "ba"},
		{[]int64{2, 1}, []float64{0, 0}, "aba"},
		{[]int64{1, 1, 1}, []float64{0.1, -0.3, 0.2}, "cab"},
	} {
		var got strings.Builder
		for _, i := range spread(tt.turns, tt.lags) {
			got.WriteByte('a' + byte(i))
		}
		if got.String() != tt.want {
			t.Errorf("spread(%v, %v) = %s, want %s", tt.turns, tt.lags, got.String(), tt.want)
		}
	}
}

// No server comes more often in a row than smoothness allows, whatever the
// weights, and over one cycle each comes exactly as often as it should.
func TestSpreadIsSmoothAndExact(t *testing.T) {
	for _, weights := range [][]int64{{10, 1}, {7, 5, 3}, {100, 1, 1, 1}, {13, 8, 5, 3, 2, 1, 1}} {
		order := spread(weights, make([]float64, len(weights)))
		count := make([]int64, len(weights))
		var sum int64
		for _, w := range weights {
			sum += w
		}
		run, longestRun := 0, make([]int, len(weights))
		for i := range 2 * len(order) {
			who, before := order[i%len(order)], order[(i+len(order)-1)%len(order)]
			if who != before {
				run = 0
			}
			run++
			longestRun[who] = max(longestRun[who], run)
			if i < len(order) {
				count[who]++
			}
		}
		for i, w := range weights {
			if count[i] != w {
				t.Errorf("%v: server %d comes %d times in a cycle of %d", weights, i, count[i], sum)
			}
			// A server with weight w among sum-w others has at most
			// ceil(w/(sum-w)) in a row, and one more where two gaps meet.
			if allowed := int((w+sum-w-1)/(sum-w)) + 1; longestRun[i] > allowed {
				t.Errorf("%v: server %d comes %d times in a row, more than %d", weights, i, longestRun[i], allowed)
			}
		}
	}
}

func TestLowestTermsBoundsTheCycle(t *testing.T) {
	weights := make([]int64, 1000)
	for i := range weights {
		weights[i] = int64(1 + i*61%MaxWeight)
	}
	var sum int64
	for _, w := range lowestTerms(weights) {
		if w < 1 {
			t.Fatal("a server lost its only turn")
		}
		sum += w
	}
	if sum > longest+int64(len(weights)) {
		t.Errorf("the cycle is %d long", sum)
	}
}

func TestRandomIsEvenByChi2(t *testing.T) {
	set := servers(16)
	for i := range set {
		set[i].Weight = 1 + i%4
	}
	b := seeded(t, 42, Random(), set...)
	const n = 100000
	got, chi2 := picks(t, b, n, 1), 0.0
	for i := range set {
		want := float64(n*set[i].Weight) / 40
		chi2 += math.Pow(float64(got[set[i].ID])-want, 2) / want
	}
	if chi2 > 37.7 { // 15 degrees of freedom, p = 0.001
		t.Errorf("chi2 is %.1f", chi2)
	}
}

func TestLeastConnectionsFollowsLoadPerWeight(t *testing.T) {
	for _, n := range []int{3, 60} {
		b := balancerOf(t, LeastConnections(), servers(n)...)
		held := make(map[string]int)
		for range 10 * n { // never released: every pick must go to a lowest
			lease, _ := b.Select("")
			held[lease.Server().ID]++
		}
		lowest, highest := math.MaxInt, 0
		for _, h := range held {
			lowest, highest = min(lowest, h), max(highest, h)
		}
		// A scan is exact; the better of two stays within log log n.
		if allowed := map[int]int{3: 0, 60: 4}[n]; highest-lowest > allowed {
			t.Errorf("%d servers hold %d to %d leases", n, lowest, highest)
		}
	}
	b := balancerOf(t, LeastConnections(), Server{ID: "a", Address: "a:1", Weight: 3}, Server{ID: "b", Address: "b:1"})
	held := make(map[string]int)
	for range 400 {
		lease, _ := b.Select("")
		held[lease.Server().ID]++
	}
	if held["a"] != 300 {
		t.Errorf("with weights 3 and 1, 400 leases are held %v", held)
	}
}

// With two choices the loads stay close together, by weight, though nobody
// looks at all servers; with one they would not.
func TestPowerOfTwoEvensLoads(t *testing.T) {
	spreadOf := func(s Strategy) float64 {
		set := servers(50)
		for i := range set {
			set[i].Weight = 1 + i%3
		}
		b := seeded(t, 7, s, set...)
		for range 5000 { // never released
			if _, err := b.Select(""); err != nil {
				t.Fatal(err)
			}
		}
		lowest, highest := math.Inf(1), 0.0
		for _, c := range candidatesOf(b) {
			lowest, highest = min(lowest, c.perWeight()), max(highest, c.perWeight())
		}
		return highest - lowest
	}
	two, one := spreadOf(PowerOfTwo()), spreadOf(Random())
	if two > 6 || one < 2*two {
		t.Errorf("leases per unit of weight differ by %.1f, and by %.1f with one choice", two, one)
	}
	b := balancerOf(t, PowerOfTwo(), servers(2)...)
	held := make(map[string]int)
	for range 100 {
		lease, _ := b.Select("")
		held[lease.Server().ID]++
	}
	if held["s0000"] != 50 {
		t.Errorf("of two servers each should hold 50: %v", held)
	}
}

func TestFirstFillsOneServerAfterTheOther(t *testing.T) {
	b := balancerOf(t, First(),
		Server{ID: "a", Address: "a:1", MaxConnections: 2},
		Server{ID: "b", Address: "b:1", MaxConnections: 1, Weight: 5},
		Server{ID: "c", Address: "c:1"})
	var order []string
	var leases []*Lease
	for range 5 {
		lease, err := b.Select("")
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, &lease)
		order = append(order, lease.Server().ID)
	}
	if got := strings.Join(order, ""); got != "baacc" {
		t.Errorf("filled in the order %s, want b (the heaviest) once, a twice, then c", got)
	}
	leases[1].Release()
	if lease, _ := b.Select(""); lease.Server().ID != "a" {
		t.Errorf("a has a place again, and %s was picked", lease.Server().ID)
	}
}

func TestLeastResponseTimePrefersTheFast(t *testing.T) {
	took := map[string]time.Duration{"s0000": time.Millisecond, "s0001": 10 * time.Millisecond}
	b := balancerOf(t, LeastResponseTime(), servers(2)...)
	count := make(map[string]int)
	for range 1000 {
		lease, _ := b.Select("")
		count[lease.Server().ID]++
		lease.Record(took[lease.Server().ID])
		lease.Release()
	}
	if count["s0000"] < 950 {
		t.Errorf("the server that is ten times as fast got %d of 1000", count["s0000"])
	}
}
