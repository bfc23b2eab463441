package lb

import "math"

// HashOption sets up ConsistentHash or IPHash.
type HashOption func(*hashing)

// BoundedLoad keeps a hot key, or an unlucky handful, from sinking one server:
// a server that has more than factor times its share of all leases takes no
// more keys until it has less, and they go to the second server of each, or
// the third (Mirrokni, Thorup, Zadimoghaddam, Consistent Hashing with Bounded
// Loads, 2018; HAProxy's hash-balance-factor). 1.25 is usual; the closer to 1,
// the more keys are away from home. At low load a share is less than one
// lease, so that two requests at once for one key already go to two servers:
// take it for caches, not for sessions. A factor below 1 bounds nothing.
func BoundedLoad(factor float64) HashOption {
	return func(s *hashing) {
		s.bound = 0
		if factor >= 1 {
			s.bound, s.out = factor, new(counter)
		}
	}
}

// hashing is ConsistentHash and, with another hash, IPHash.
type hashing struct {
	name  string
	hash  func(key string) (h uint64, ok bool)
	bound float64  // on a server's leases, in shares; 0: none
	out   *counter // leases of all servers, where there is a bound
}

func newHashing(name string, hash func(string) (uint64, bool), options []HashOption) Strategy {
	s := &hashing{name: name, hash: hash}
	for _, option := range options {
		option(s)
	}
	return s
}

func (s *hashing) Name() string { return s.name }

func (s *hashing) Prepare(r Roster) Picker {
	p := &hashPicker{hashing: s, pool: r.Candidates, random: r.Random}
	switch last, ok := r.Last.(*hashPicker); {
	case !ok:
		p.ring = newRing(p.pool, nil)
	case alike(last.pool, p.pool):
		p.ring = last.ring
	default:
		p.ring = newRing(p.pool, last.ring)
	}
	for _, c := range p.pool {
		c.total = s.out
		p.weight += c.weight
	}
	return p
}

type hashPicker struct {
	*hashing
	pool   []*Candidate
	weight float64 // of all
	ring   *ring
	random func() uint64
}

// manyFull is after how many full servers in a row all of them are looked at.
const manyFull = 8

func (p *hashPicker) Pick(q Query) int {
	h, ok := p.hash(q.Key)
	if !ok {
		h = p.random()
	}
	i := p.ring.lookup(h)
	for range manyFull {
		if c := p.pool[i]; !q.Skip(c) && !p.over(c) {
			return i
		}
		h = mix(h)
		i = p.ring.lookup(h)
	}
	for n := range p.pool {
		if j := (i + n) % len(p.pool); !q.Skip(p.pool[j]) && !p.over(p.pool[j]) {
			return j
		}
	}
	return scan(p.pool, i, q) // those within the bound are full or were tried
}

// over tells that one lease more would be above the bound. The bound of all
// servers together is above all their leases, so some server is not over.
func (p *hashPicker) over(c *Candidate) bool {
	if p.bound == 0 {
		return false
	}
	out := c.load.out()
	return out > 0 && float64(out) >= math.Ceil(p.bound*float64(p.out.n.Load()+1)*c.weight/p.weight)
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
