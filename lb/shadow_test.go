package lb

import (
	"strconv"
	"testing"
	"time"
)

// The shadow is asked about every selection and obeyed in none; what it counts
// is what the same strategy does where it is obeyed.
func TestShadowDoesAsTheStrategyWould(t *testing.T) {
	set := servers(5)
	for i := range set {
		set[i].Weight = 1 + i
	}
	run := func(b *Balancer) {
		var held []*Lease
		for i := range 1000 {
			lease, err := b.Select(strconv.Itoa(i))
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, &lease)
			if i%3 > 0 {
				l := held[0]
				held = held[1:]
				l.Record(time.Millisecond)
				l.Release()
			}
		}
	}
	for _, name := range []string{"consistent_hash", "weighted_round_robin", "least_connections"} {
		t.Run(name, func(t *testing.T) {
			obeyed, _ := ByName(name)
			alone := balancerOf(t, obeyed, set...)
			run(alone)
			asked, _ := ByName(name)
			b := New(Random(), WithRandom(seededSource(3)), WithShadow(asked))
			if err := b.Replace(set); err != nil {
				t.Fatal(err)
			}
			run(b)
			total, sum := b.Stats().Shadow, int64(0)
			if total.Strategy != name || total.Picks != 1000 || total.Agreed < 50 || total.Agreed > 500 {
				t.Errorf("the shadow of random counts %+v", total)
			}
			for i, st := range b.AllStats() {
				want := alone.AllStats()[i]
				sum += st.Shadow.Requests
				if off := st.Shadow.Requests - want.Requests; off < -8 || off > 8 {
					t.Errorf("%s would have %d requests, and has %d where the strategy is obeyed", st.Server.ID, st.Shadow.Requests, want.Requests)
				}
				if st.Shadow.Requests > 0 && (st.Shadow.Busy == 0 || st.Shadow.Busy > time.Duration(st.Shadow.Requests)*time.Millisecond) {
					t.Errorf("%s would have been busy for %v with %d requests", st.Server.ID, st.Shadow.Busy, st.Shadow.Requests)
				}
			}
			if sum != 1000 {
				t.Errorf("the shadow has %d of 1000 requests", sum)
			}
			b.SetShadow(nil)
			if st, _ := b.ServerStats("s0000"); st.Shadow != (ServerShadow{}) || b.Stats().Shadow != (ShadowStats{}) {
				t.Error("the shadow has ended, and left something")
			}
		})
	}
}

// A shadow that sees no place counts that, and does no harm.
func TestShadowThatIsFull(t *testing.T) {
	set := servers(2)
	set[0].MaxConnections = 2
	b := New(RoundRobin(), WithShadow(First()))
	if err := b.Replace(set[:1]); err != nil {
		t.Fatal(err)
	}
	one, _ := b.Select("")
	b.SetStrategy(First())
	two, _ := b.Select("")
	one.Release()
	if s := b.Stats().Shadow; s.Picks != 2 || s.Agreed != 2 {
		t.Errorf("the shadow counts %+v", s)
	}
	two.Release()
	if st, _ := b.ServerStats("s0000"); st.Shadow.Active != 0 || st.Shadow.Requests != 2 {
		t.Errorf("the server has %+v in the shadow", st.Shadow)
	}
}

func TestShadowDoesNotAllocate(t *testing.T) {
	b := New(LeastConnections(), WithShadow(ConsistentHash(BoundedLoad(1.5))))
	if err := b.Replace(servers(20)); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(1000, func() {
		lease, err := b.Acquire(t.Context(), Query{Key: "k", Prefer: 1})
		if err != nil {
			t.Fatal(err)
		}
		lease.Record(time.Millisecond)
		lease.Release()
	}); got != 0 {
		t.Errorf("%v allocations a selection", got)
	}
}
