package lb

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

func servers(n int) []Server {
	set := make([]Server, n)
	for i := range set {
		set[i] = Server{ID: fmt.Sprintf("s%04d", i), Address: fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)}
	}
	return set
}

// BenchmarkSelect is one selection and its release, by as many goroutines at
// once as there are processors.
func BenchmarkSelect(b *testing.B) {
	for _, name := range Names() {
		for _, n := range []int{10, 100, 1000} {
			b.Run(name+"/"+strconv.Itoa(n), func(b *testing.B) {
				s, err := ByName(name)
				if err != nil {
					b.Fatal(err)
				}
				balancer := New(s)
				if err := balancer.Replace(servers(n)); err != nil {
					b.Fatal(err)
				}
				for range n { // let every server have answered
					lease, _ := balancer.Select("warm")
					lease.Record(1)
					lease.Release()
				}
				b.ReportAllocs()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						lease, err := balancer.Select("203.0.113.77")
						if err != nil {
							b.Error(err)
							return
						}
						lease.Release()
					}
				})
			})
		}
	}
}

// BenchmarkOutcome is what a finished request adds.
func BenchmarkOutcome(b *testing.B) {
	balancer := New(RoundRobin())
	if err := balancer.Replace(servers(10)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			lease, _ := balancer.Select("")
			lease.Record(1000)
			lease.Release()
		}
	})
}

// BenchmarkReplace is a change of one server in a hundred.
func BenchmarkReplace(b *testing.B) {
	for _, name := range []string{"round_robin", "consistent_hash"} {
		for _, n := range []int{100, 10000} {
			b.Run(name+"/"+strconv.Itoa(n), func(b *testing.B) {
				s, _ := ByName(name)
				balancer := New(s)
				set := servers(n)
				b.ReportAllocs()
				for i := range b.N {
					for j := i % 100; j < n; j += 100 {
						set[j].Weight = 1 + i%2
					}
					if err := balancer.Replace(set); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkReplaceUnderLoad is a change of one server in a hundred, of 10,000,
// while picks go on; it reports how many in a million of these took longer than
// 100 µs. No pick waits for a lock: those that there are have lost their
// processor to the change, to the garbage collector or to another process, and
// without a change (the case "none") there are as many in a time.
func BenchmarkReplaceUnderLoad(b *testing.B) {
	for _, name := range []string{"none", "round_robin", "least_connections", "consistent_hash"} {
		b.Run(name, func(b *testing.B) {
			s := RoundRobin()
			if name != "none" {
				s, _ = ByName(name)
			}
			balancer := New(s)
			set := servers(10000)
			if err := balancer.Replace(set); err != nil {
				b.Fatal(err)
			}
			var late, all int
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for last := time.Now(); ; {
					select {
					case <-stop:
						return
					default:
					}
					lease, err := balancer.Select("key")
					lease.Release()
					if err != nil {
						b.Error(err)
						return
					}
					now := time.Now()
					if all++; now.Sub(last) > 100*time.Microsecond {
						late++
					}
					last = now
				}
			}()
			for i := 0; b.Loop(); i++ {
				if name == "none" {
					time.Sleep(10 * time.Millisecond) // what a change takes
					continue
				}
				for j := i % 100; j < len(set); j += 100 {
					set[j].Weight = 1 + i%2
				}
				if err := balancer.Replace(set); err != nil {
					b.Fatal(err)
				}
			}
			close(stop)
			<-stopped
			b.ReportMetric(float64(late)/float64(b.N), "late/op")
			b.ReportMetric(1e6*float64(late)/float64(all), "late/million")
		})
	}
}
