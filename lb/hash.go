package lb

import "math/rand/v2"

// ConsistentHash sends each key to one server, as long as that server can take
// it. When servers come or go only about their share of the keys moves, and
// every agent with the same servers sends a key to the same one. A key whose
// server is full or was tried goes to a second one, always the same, and so
// on. Requests without a key are spread at random.
//
// It uses a Maglev table rather than a ring of virtual nodes: one look-up,
// and shares that are even to about a hundredth where a ring of affordable
// size is off by a tenth (Eisenbud et al., Maglev, NSDI 2016, section 3.4).
func ConsistentHash() Strategy {
	return &hashed{"consistent_hash", func(key string) (uint64, bool) { return hashString(key), key != "" }}
}

type hashed struct {
	name string
	hash func(key string) (h uint64, ok bool)
}

func (s *hashed) Name() string { return s.name }

func (s *hashed) Prepare(pool []*Candidate) Picker {
	return &hashPicker{pool, newMaglev(pool), s.hash}
}

type hashPicker struct {
	pool  []*Candidate
	table maglev
	hash  func(string) (uint64, bool)
}

func (p *hashPicker) Pick(q Query) int {
	h, ok := p.hash(q.Key)
	if !ok {
		h = rand.Uint64()
	}
	i := p.table.lookup(h)
	for n := 0; q.Skip(p.pool[i]); n++ {
		if n == 8 { // most are full: look through them all once
			return scan(p.pool, i, q)
		}
		h = mix(h)
		i = p.table.lookup(h)
	}
	return i
}

// hashString is FNV-1a with a final mix, which FNV lacks. It is fixed, unlike
// hash/maphash, since all agents must agree.
func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood, Fast Splittable
// Pseudorandom Number Generators, 2014).
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
