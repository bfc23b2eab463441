package main

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// contender is one way of balancing over some servers, ready to be picked from.
type contender struct {
	who string
	// run picks, and ends what it picked, for as long as pb says; the keys
	// begin with the one numbered from.
	run func(pb *testing.PB, from int) error
	// pick does that once, for any key, and returns which server it was.
	pick  func(key string) (server int, err error)
	close func()
}

// ours, theirs and theirs with counters, as they are called in tables.
const (
	us          = "outrigger"
	grpcs       = "grpc"
	grpcCounted = "grpc+count"
)

// matchup is a strategy of ours with its counterparts.
type matchup struct {
	strategy string
	policy   string // gRPC's; "" for none
	config   string // of policy, as in a service config
	keyed    bool   // it picks by key
	counted  bool   // there is a grpc+count
	weighted bool   // servers have weights 1 to 4
	single   bool   // all picks are of one server, by design
}

func matchups() []matchup {
	const (
		leastRequest = "least_request_experimental"
		ringHash     = "ring_hash_experimental"
	)
	return []matchup{
		{strategy: "round_robin", policy: "round_robin", counted: true},
		{
			strategy: "weighted_round_robin", policy: "weighted_round_robin", counted: true, weighted: true,
			config: `{"blackoutPeriod":"0s","weightExpirationPeriod":"36000s"}`,
		},
		{strategy: "random"},
		{strategy: "least_connections", policy: leastRequest, config: `{}`},
		{strategy: "least_response_time"},
		{strategy: "power_of_two", policy: leastRequest, config: `{}`},
		{strategy: "least_request", policy: leastRequest, config: `{}`},
		{strategy: "consistent_hash", policy: ringHash, config: ringConfig(0), keyed: true, counted: true},
		{strategy: "ip_hash", policy: ringHash, config: ringConfig(0), keyed: true, counted: true},
		{strategy: "first", policy: "pick_first", counted: true, single: true},
	}
}

// sizes are the numbers of servers to measure with.
var sizes = [...]int{10, 100, 1000}

// contenders sets up everybody who takes part, ours first.
func (m matchup) contenders(n int) (all []contender, err error) {
	our, err := m.outrigger(n)
	if err != nil {
		return nil, err
	}
	all = append(all, our)
	if m.policy == "" {
		return all, nil
	}
	c, err := m.connect(n)
	if err != nil {
		return nil, fmt.Errorf("%s over %d servers: %w", m.policy, n, err)
	}
	all = append(all, c.contender(m))
	if m.counted {
		all = append(all, c.counting(m))
	}
	return all, nil
}

func (m matchup) weight(server int) int {
	if m.weighted {
		return 1 + server%4
	}
	return 1
}

func address(server int) string { return fmt.Sprintf("10.1.%d.%d:80", server/250, server%250) }

func (m matchup) outrigger(n int) (contender, error) {
	s, err := lb.ByName(m.strategy)
	if err != nil {
		return contender{}, err
	}
	b := lb.New(s)
	set := make([]lb.Server, n)
	for i := range set {
		set[i] = lb.Server{ID: strconv.Itoa(i), Address: address(i), Weight: m.weight(i)}
	}
	if err := b.Replace(set); err != nil {
		return contender{}, err
	}
	for range 4 * n { // let every server have answered
		lease, err := b.Select("")
		if err != nil {
			return contender{}, err
		}
		lease.Record(1000)
		lease.Release()
	}
	return contender{
		who: us,
		run: func(pb *testing.PB, i int) error {
			for ; pb.Next(); i++ {
				lease, err := b.Select(keys[i%len(keys)])
				if err != nil {
					return err
				}
				lease.Release()
			}
			return nil
		},
		pick: func(key string) (int, error) {
			lease, err := b.Select(key)
			if err != nil {
				return 0, err
			}
			defer lease.Release()
			return strconv.Atoi(lease.Server().ID)
		},
		close: func() {},
	}, nil
}

// keys are what requests are picked for in turn.
var keys = func() (all [4096]string) {
	for i := range all {
		all[i] = key(i)
	}
	return all
}()

// key is the address of a client.
func key(i int) string { return fmt.Sprintf("10.%d.%d.%d", 2+i>>16, i>>8&255, i&255) }

// bench is one contender's benchmark.
func (c contender) bench(b *testing.B) {
	b.ReportAllocs()
	var goroutines atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		// Not the same keys in the same order by everybody.
		if err := c.run(pb, int(goroutines.Add(1))*1361); err != nil {
			b.Error(err)
		}
	})
}
