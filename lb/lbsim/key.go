package main

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// keys are the clients that requests come from, as hashing strategies see them.
type keys struct {
	count int
	// exponent is that of Zipf's law: the n-th client makes 1/n^exponent as
	// many requests as the first. 0 makes all alike.
	exponent float64
}

// keyring draws keys. They are IP addresses, which every hashing strategy takes.
type keyring struct {
	names  []string  // "" until it is drawn
	upTo   []float64 // the part of the requests that a key and those before it make
	chance *rand.Rand
}

func newKeyring(k keys, chance *rand.Rand) *keyring {
	ring := &keyring{names: make([]string, k.count), upTo: make([]float64, k.count), chance: chance}
	sum := 0.0
	for i := range ring.upTo {
		sum += math.Pow(float64(i+1), -k.exponent)
		ring.upTo[i] = sum
	}
	for i := range ring.upTo {
		ring.upTo[i] /= sum
	}
	return ring
}

func (k *keyring) draw() string {
	i, _ := slices.BinarySearch(k.upTo, k.chance.Float64())
	i = min(i, len(k.names)-1)
	if k.names[i] == "" {
		k.names[i] = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()
	}
	return k.names[i]
}
