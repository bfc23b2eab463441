package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// ringed is how well a hash spreads keys over servers, and how well it keeps
// them where they are. Shares are in parts of what each server is due.
type ringed struct {
	lowest, highest float64
	leaver          float64 // of keys that were the leaving server's, and have to move
	moved           float64 // of keys that moved when it left
}

// rings are the hashes to judge.
func rings() []struct {
	who string
	matchup
} {
	ring := func(size int) matchup {
		return matchup{policy: "ring_hash_experimental", config: ringConfig(size), keyed: true}
	}
	return []struct {
		who string
		matchup
	}{
		{us, matchup{strategy: "consistent_hash"}},
		{grpcs + ", ring of 1024 (default)", ring(0)},
		{grpcs + ", ring of 4096 (its cap)", ring(4096)},
	}
}

const (
	ringServers = 100
	ringKeys    = 1 << 20 // enough that chance adds some 2% to the highest share
)

// judgeRing has the last of n servers leave.
func (m matchup) judgeRing() (r ringed, err error) {
	before, err := m.places(ringServers)
	if err != nil {
		return ringed{}, err
	}
	after, err := m.places(ringServers - 1)
	if err != nil {
		return ringed{}, err
	}
	shares, due := make([]float64, ringServers), float64(len(before))/ringServers
	for i, server := range before {
		shares[server] += 1 / due
		if server == ringServers-1 {
			r.leaver += 1 / float64(len(before))
		}
		if after[i] != server {
			r.moved += 1 / float64(len(before))
		}
	}
	r.lowest, r.highest = slices.Min(shares), slices.Max(shares)
	return r, nil
}

// places is the server of each key.
func (m matchup) places(n int) ([]int, error) {
	start := m.outrigger
	if m.policy != "" {
		start = m.grpc
	}
	c, err := start(n)
	if err != nil {
		return nil, err
	}
	defer c.close()
	servers := make([]int, ringKeys)
	for i := range servers {
		if servers[i], err = c.pick(key(i)); err != nil {
			return nil, err
		}
	}
	return servers, nil
}

func (m matchup) grpc(n int) (contender, error) {
	c, err := m.connect(n)
	if err != nil {
		return contender{}, err
	}
	return c.contender(m), nil
}

func printRings(w io.Writer) error {
	fmt.Fprintf(w, "\n%d keys by hash on %d servers, of which one leaves\n\n", ringKeys, ringServers)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "who\tlowest share\thighest share\thad to move\tmoved")
	for _, ring := range rings() {
		r, err := ring.judgeRing()
		if err != nil {
			return fmt.Errorf("%s: %w", ring.who, err)
		}
		fmt.Fprintf(table, "%s\t%.2f\t%.2f\t%.2f%%\t%.2f%%\n", ring.who, r.lowest, r.highest, 100*r.leaver, 100*r.moved)
	}
	return table.Flush()
}
