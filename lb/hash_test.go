package lb

import (
	"fmt"
	"math"
	"strconv"
	"testing"
)

// moved tells what share of keys goes elsewhere in after than in before.
func moved(t *testing.T, before, after *Balancer, keys int) float64 {
	t.Helper()
	n := 0
	for i := range keys {
		key := fmt.Sprintf("198.51.%d.%d", i/250, i%250)
		x, err := before.Select(key)
		if err != nil {
			t.Fatal(err)
		}
		y, err := after.Select(key)
		if err != nil {
			t.Fatal(err)
		}
		if x.Server().ID != y.Server().ID {
			n++
		}
	}
	return float64(n) / float64(keys)
}

func TestHashingIsStableAndEven(t *testing.T) {
	for _, strategy := range []func(...HashOption) Strategy{IPHash, ConsistentHash} {
		t.Run(strategy().Name(), func(t *testing.T) {
			all := balancerOf(t, strategy(), servers(100)...)
			less := balancerOf(t, strategy(), append(servers(100)[:40:40], servers(100)[41:]...)...)
			if m := moved(t, all, less, 60000); m < 0.008 || m > 0.0115 {
				t.Errorf("%.2f%% of the keys move when one of 100 servers leaves", 100*m)
			}
			// A second agent, that learned of the servers in another order.
			other := New(strategy())
			for _, i := range []int{7, 3, 0, 9, 1, 2, 8, 6, 5, 4} {
				if err := other.Add(servers(10)[i]); err != nil {
					t.Fatal(err)
				}
			}
			if m := moved(t, balancerOf(t, strategy(), servers(10)...), other, 5000); m != 0 {
				t.Errorf("two agents disagree on %.2f%% of the keys", 100*m)
			}
		})
	}
}

func TestIPHashKnowsAnAddressHoweverWritten(t *testing.T) {
	for _, group := range [][]string{
		{"192.0.2.7", "192.0.2.7:1234", "::ffff:192.0.2.7", "[::ffff:192.0.2.7]:80"},
		{"2001:db8::1", "[2001:db8::1]:443", "2001:0db8:0:0::1", "2001:db8::1%eth0"},
	} {
		want, _ := hashAddress(group[0])
		for _, key := range group {
			if got, ok := hashAddress(key); !ok || got != want {
				t.Errorf("%s counts as another address than %s", key, group[0])
			}
		}
	}
	if _, ok := hashAddress(""); ok {
		t.Error("no key is not a key")
	}
}

// ringOf is the ring in force.
func ringOf(b *Balancer) *ring { return b.pool.Load().tiers[0].picker.(*hashPicker).ring }

// owners tells which server has each of n hashes.
func owners(b *Balancer, n int) []string {
	r, pool, out, h := ringOf(b), candidatesOf(b), make([]string, n), uint64(1)
	for i := range out {
		h = mix(h)
		out[i] = pool[r.lookup(h)].server.ID
	}
	return out
}

// No server has more than 1.05 times its share, by weight.
func TestRingIsEven(t *testing.T) {
	for _, n := range []int{2, 5, 10, 100} {
		for name, weight := range map[string]func(i int) int{
			"equal":   func(int) int { return 1 },
			"to four": func(i int) int { return 1 + i%4 },
			"percent": func(i int) int { return 100 - i%3*10 },
		} {
			t.Run(fmt.Sprint(n, " ", name), func(t *testing.T) {
				set, sum := servers(n), 0
				for i := range set {
					set[i].Weight = weight(i)
					sum += set[i].Weight
				}
				const sample = 1_000_000
				got := make(map[string]float64)
				for _, id := range owners(balancerOf(t, ConsistentHash(), set...), sample) {
					got[id]++
				}
				for _, s := range set {
					due := sample * float64(s.Weight) / float64(sum)
					chance := 4 * math.Sqrt(due) // of the sample
					if over := (got[s.ID] - chance) / due; over > 1.05 {
						t.Errorf("%s with weight %d of %d has %.3f times its share", s.ID, s.Weight, sum, got[s.ID]/due)
					}
				}
			})
		}
	}
}

// Whatever the change, keys move from or to the servers that changed only, and
// how a ring came about makes no difference.
func TestRingMovesNoKeyWithoutNeed(t *testing.T) {
	const sample = 50_000
	set := servers(50)
	for i := range set {
		set[i].Weight = 1 + i%3
	}
	b := balancerOf(t, ConsistentHash(), set...)
	for what, change := range map[string]func() map[string]bool{
		"one leaves": func() map[string]bool {
			id := set[17].ID
			set = append(set[:17:17], set[18:]...)
			return map[string]bool{id: true}
		},
		"two join": func() map[string]bool {
			set = append(set, Server{ID: "a", Address: "a:1"}, Server{ID: "z", Address: "z:1", Weight: 2})
			return map[string]bool{"a": true, "z": true}
		},
		"one is heavier": func() map[string]bool {
			set[5].Weight = 6
			return map[string]bool{set[5].ID: true}
		},
		"the last of the circle leaves": func() map[string]bool {
			r := ringOf(b)
			last := candidatesOf(b)[r.owners[len(r.owners)-1]].server.ID
			var rest []Server
			for _, s := range set {
				if s.ID != last {
					rest = append(rest, s)
				}
			}
			set = rest
			return map[string]bool{last: true}
		},
	} {
		before := owners(b, sample)
		changed := change()
		if err := b.Replace(set); err != nil {
			t.Fatal(err)
		}
		after, moved := owners(b, sample), 0
		for i := range after {
			if after[i] == before[i] {
				continue
			}
			moved++
			if !changed[after[i]] && !changed[before[i]] {
				t.Fatalf("%s: a key moved from %s to %s", what, before[i], after[i])
			}
		}
		if moved == 0 {
			t.Errorf("%s: nothing moved", what)
		}
		for i, id := range owners(balancerOf(t, ConsistentHash(), set...), sample) {
			if id != after[i] {
				t.Fatalf("%s: a ring made at once has a key at %s, one that changed at %s", what, id, after[i])
			}
		}
	}
}

// With bounded load no server ever holds more than 1.25 times its share of the
// leases, by weight, whatever keys are asked for; and keys come home again.
func TestBoundedLoad(t *testing.T) {
	const bound = 1.25
	for _, strategy := range []func(...HashOption) Strategy{ConsistentHash, IPHash} {
		set := servers(10)
		for i := range set {
			set[i].Weight = 1 + i%2
		}
		b := balancerOf(t, strategy(BoundedLoad(bound)), set...)
		home, _ := b.Select("192.0.2.1")
		id := home.Server().ID
		home.Release()
		var leases []*Lease
		for i := range 3000 {
			key := "192.0.2.1" // one hot key, and some others
			if i%4 == 0 {
				key = fmt.Sprintf("192.0.2.%d", i%250)
			}
			lease, err := b.Select(key)
			if err != nil {
				t.Fatal(err)
			}
			leases = append(leases, &lease)
			share := float64(i+1) * float64(lease.Server().Weight) / 15
			if st, _ := b.ServerStats(lease.Server().ID); float64(st.Active) > math.Ceil(bound*share) {
				t.Fatalf("%s holds %d of %d leases, its share is %.2f", st.Server.ID, st.Active, i+1, share)
			}
		}
		for _, l := range leases {
			l.Release()
		}
		for range 10 {
			lease, _ := b.Select("192.0.2.1")
			if lease.Server().ID != id {
				t.Errorf("with all load gone the key is at %s, its home is %s", lease.Server().ID, id)
			}
			lease.Release()
		}
	}
	b := balancerOf(t, ConsistentHash(), servers(10)...)
	for range 100 {
		if _, err := b.Select("hot"); err != nil {
			t.Fatal(err)
		}
	}
	for _, st := range b.AllStats() {
		if st.Active != 0 && st.Active != 100 {
			t.Errorf("without a bound %s has %d leases of one key", st.Server.ID, st.Active)
		}
	}
}

// A bound holds on when everything about the pool changes.
func TestBoundedLoadSurvivesChanges(t *testing.T) {
	b := balancerOf(t, ConsistentHash(BoundedLoad(1.25)), servers(4)...)
	for i := range 400 {
		if _, err := b.Select("hot"); err != nil {
			t.Fatal(err)
		}
		set := servers(4)
		set[i%4].Zone = strconv.Itoa(i)
		if err := b.Replace(set); err != nil {
			t.Fatal(err)
		}
	}
	for _, st := range b.AllStats() {
		if st.Active > 125 {
			t.Errorf("%s holds %d of 400 leases", st.Server.ID, st.Active)
		}
	}
}

// FuzzRing builds rings of any servers and asks them for any key.
func FuzzRing(f *testing.F) {
	f.Add(uint64(0), "a", "b", uint16(1), uint16(65535))
	f.Add(^uint64(0), "", "x", uint16(7), uint16(100))
	f.Fuzz(func(t *testing.T, hash uint64, one, two string, weightOne, weightTwo uint16) {
		set := []Server{{ID: "1" + one, Address: "x:1", Weight: int(weightOne)}, {ID: "2" + two, Address: "x:1", Weight: int(weightTwo)}}
		b := balancerOf(t, ConsistentHash(), set...)
		if i := ringOf(b).lookup(hash); i < 0 || i > 1 {
			t.Fatalf("position %d", i)
		}
		first := ringOf(b).lookup(hash)
		if err := b.Remove(set[1-first].ID); err != nil {
			t.Fatal(err)
		}
		if i := ringOf(b).lookup(hash); i != 0 {
			t.Fatalf("of one server, position %d", i)
		}
		if err := b.Add(set[1-first]); err != nil {
			t.Fatal(err)
		}
		if i := ringOf(b).lookup(hash); i != first {
			t.Fatalf("with the same servers as before, position %d after %d", i, first)
		}
	})
}
