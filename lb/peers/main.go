package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

func main() {
	testing.Init()
	rounds := flag.Int("rounds", 5, "how often to measure each; medians are shown")
	benchtime := flag.Duration("benchtime", 200*time.Millisecond, "how long to measure at a time")
	strategies := flag.String("strategies", "", "only strategies that match this")
	flag.Parse()
	if err := run(os.Stdout, *rounds, *benchtime, *strategies); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, rounds int, benchtime time.Duration, strategies string) error {
	only, err := regexp.Compile(strategies)
	if err != nil {
		return err
	}
	if err := flag.Set("test.benchtime", benchtime.String()); err != nil {
		return err
	}
	fmt.Fprintf(w, "One pick and its end: medians of %d rounds of %v, %d goroutines at once, %s.\n"+
		"The ratios are the medians of ours to theirs within a round: below 1.00 ours is faster.\n\n",
		max(rounds, 1), benchtime, runtime.GOMAXPROCS(0), runtime.Version())
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	peers := []string{grpcs, grpcCounted}
	fmt.Fprint(table, "strategy\tservers\tours\tallocs\t")
	for _, who := range peers {
		fmt.Fprintf(table, "%s\tallocs\tours/%s\t", who, who)
	}
	fmt.Fprintln(table)
	for _, m := range matchups() {
		for _, n := range sizes {
			if !only.MatchString(m.strategy) {
				continue
			}
			measured, err := m.measure(n, max(rounds, 1))
			if err != nil {
				return err
			}
			our := measured[us]
			fmt.Fprintf(table, "%s\t%d\t%.0f ns\t%d\t", m.strategy, n, median(our.times), our.allocs)
			for _, who := range peers {
				peer, ok := measured[who]
				if !ok {
					fmt.Fprint(table, "-\t-\t-\t")
					continue
				}
				fmt.Fprintf(table, "%.0f ns\t%d\t%.2f\t", median(peer.times), peer.allocs, median(ratios(our.times, peer.times)))
			}
			fmt.Fprintln(table)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if only.MatchString("consistent_hash") {
		return printRings(w)
	}
	return nil
}

// series is what was measured of one contender.
type series struct {
	times  []float64 // ns, one of each round
	allocs int64
}

// measure has all contenders take turns: what the machine does besides hits
// them alike.
func (m matchup) measure(n, rounds int) (map[string]*series, error) {
	all, err := m.contenders(n)
	if err != nil {
		return nil, err
	}
	measured := make(map[string]*series)
	for _, c := range all {
		defer c.close()
		measured[c.who] = new(series)
	}
	for range rounds {
		for _, c := range all {
			r := testing.Benchmark(c.bench)
			if r.N == 0 {
				return nil, fmt.Errorf("%s/%d: %s fails", m.strategy, n, c.who)
			}
			s := measured[c.who]
			s.times = append(s.times, float64(r.T.Nanoseconds())/float64(r.N))
			s.allocs = max(s.allocs, r.AllocsPerOp())
		}
	}
	return measured, nil
}

func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
