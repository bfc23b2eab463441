package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	v3orcapb "github.com/cncf/xds/go/xds/data/orca/v3"
	"google.golang.org/grpc/balancer"
	_ "google.golang.org/grpc/balancer/leastrequest"
	_ "google.golang.org/grpc/balancer/pickfirst"
	_ "google.golang.org/grpc/balancer/ringhash"
	_ "google.golang.org/grpc/balancer/roundrobin"
	_ "google.golang.org/grpc/balancer/weightedroundrobin"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
)

// channel stands in for a gRPC channel. Whatever its balancer wants connected
// is so at once, to nothing.
type channel struct {
	balancer.ClientConn // nil: for methods that gRPC may add
	balancer            balancer.Balancer
	picker              atomic.Pointer[balancer.Picker] // the last one
	servers             map[string]int                  // by address
	ready               int                             // servers connected, and healthy if the policy asks for that
	contexts            []context.Context               // of requests, by key
	// events are what a channel would tell its balancer, which must not be told
	// while it asks.
	events chan func()
}

// connect builds a balancer of a policy over n servers, and connects it.
func (m matchup) connect(n int) (*channel, error) {
	c := &channel{servers: make(map[string]int), events: make(chan func(), 8*n), contexts: make([]context.Context, len(keys))}
	for i := range c.contexts {
		c.contexts[i] = m.context(keys[i])
	}
	state := balancer.ClientConnState{}
	for i := range n {
		c.servers[address(i)] = i
		state.ResolverState.Endpoints = append(state.ResolverState.Endpoints,
			resolver.Endpoint{Addresses: []resolver.Address{{Addr: address(i)}}})
	}
	builder := balancer.Get(m.policy)
	if m.config != "" {
		var err error
		if state.BalancerConfig, err = builder.(balancer.ConfigParser).ParseConfig(json.RawMessage(m.config)); err != nil {
			return nil, err
		}
	}
	c.balancer = builder.Build(c, balancer.BuildOptions{})
	if err := c.balancer.UpdateClientConnState(state); err != nil {
		return nil, err
	}
	if err := c.settle(m, n); err != nil {
		return nil, err
	}
	if !m.weighted {
		return c, nil
	}
	if err := c.report(m, n); err != nil {
		return nil, err
	}
	// The next picker begins with the new weights; the present one would have
	// them after a while.
	return c, c.balancer.UpdateClientConnState(state)
}

// settle tells the balancer what there is to tell, until all servers are ready.
// ring_hash connects to a server when the first key comes that belongs there.
func (c *channel) settle(m matchup, n int) error {
	if m.single {
		n = 1
	}
	for i := 0; c.ready < n; i++ {
		select {
		case event := <-c.events:
			event()
			continue
		default:
		}
		if i > 10_000_000 {
			return fmt.Errorf("%d of %d servers are ready", c.ready, n)
		}
		_, err := c.pick(balancer.PickInfo{Ctx: m.context(key(i))})
		if err != nil && !errors.Is(err, balancer.ErrNoSubConnAvailable) {
			return err
		}
	}
	return nil
}

// report has each server say once what weight it should have.
func (c *channel) report(m matchup, n int) error {
	for range n { // all get a turn while nobody has a weight
		result, err := c.pick(balancer.PickInfo{Ctx: context.Background()})
		if err != nil {
			return err
		}
		weight := float64(m.weight(result.SubConn.(*connection).server))
		result.Done(balancer.DoneInfo{ServerLoad: &v3orcapb.OrcaLoadReport{RpsFractional: weight, ApplicationUtilization: 1}})
	}
	return nil
}

func (c *channel) pick(info balancer.PickInfo) (balancer.PickResult, error) {
	return (*c.picker.Load()).Pick(info)
}

func (c *channel) NewSubConn(addresses []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	return &connection{channel: c, server: c.servers[addresses[0].Addr], listener: o.StateListener}, nil
}

func (c *channel) UpdateState(s balancer.State)           { c.picker.Store(&s.Picker) }
func (c *channel) MetricsRecorder() stats.MetricsRecorder { return noMetrics{} }

type noMetrics struct {
	stats.UnimplementedMetricsRecorder
}

// connection stands in for a connection to one server.
type connection struct {
	balancer.SubConn // nil: for methods that gRPC may add
	channel          *channel
	server           int
	listener         func(balancer.SubConnState)
	watched          bool // somebody asked for its health

	_        [64]byte
	active   atomic.Int64 // the counters of grpc+count
	requests atomic.Int64
	_        [64]byte
}

func (c *connection) Connect() {
	c.channel.events <- func() { c.listener(balancer.SubConnState{ConnectivityState: connectivity.Connecting}) }
	c.channel.events <- func() {
		c.listener(balancer.SubConnState{ConnectivityState: connectivity.Ready})
		if !c.watched {
			c.channel.ready++
		}
	}
}

func (c *connection) RegisterHealthListener(healthy func(balancer.SubConnState)) {
	c.watched = true
	c.channel.events <- func() {
		healthy(balancer.SubConnState{ConnectivityState: connectivity.Ready})
		c.channel.ready++
	}
}

func (c *connection) Shutdown() {}

// keyHeader is the header in which ring_hash looks for a request's key.
const keyHeader = "key"

// ringConfig has ring_hash make a ring of size points; 0 leaves that to it.
func ringConfig(size int) string {
	return fmt.Sprintf(`{"requestHashHeader":%q,"minRingSize":%d}`, keyHeader, size)
}

// context is that of a request for a key.
func (m matchup) context(key string) context.Context {
	if !m.keyed {
		return context.Background()
	}
	return metadata.NewOutgoingContext(context.Background(), metadata.Pairs(keyHeader, key))
}

// contender is c to be measured.
func (c *channel) contender(m matchup) contender {
	return contender{
		who: grpcs,
		run: func(pb *testing.PB, i int) error {
			picker := *c.picker.Load()
			for ; pb.Next(); i++ {
				result, err := picker.Pick(balancer.PickInfo{FullMethodName: "/peers/Call", Ctx: c.contexts[i%len(keys)]})
				if err != nil {
					return err
				}
				if result.Done != nil {
					result.Done(balancer.DoneInfo{})
				}
			}
			return nil
		},
		pick: func(key string) (int, error) {
			result, err := c.pick(balancer.PickInfo{Ctx: m.context(key)})
			if err != nil {
				return 0, err
			}
			if result.Done != nil {
				result.Done(balancer.DoneInfo{})
			}
			return result.SubConn.(*connection).server, nil
		},
		close: c.balancer.Close,
	}
}

// counting is c with what its caller has to add to know each server's requests,
// in flight and ever.
func (c *channel) counting(m matchup) contender {
	counting := c.contender(m)
	counting.who, counting.close = grpcCounted, func() {}
	counting.run = func(pb *testing.PB, i int) error {
		picker := *c.picker.Load()
		for ; pb.Next(); i++ {
			result, err := picker.Pick(balancer.PickInfo{FullMethodName: "/peers/Call", Ctx: c.contexts[i%len(keys)]})
			if err != nil {
				return err
			}
			server := result.SubConn.(*connection)
			server.active.Add(1)
			server.requests.Add(1)
			if result.Done != nil {
				result.Done(balancer.DoneInfo{})
			}
			server.active.Add(-1)
		}
		return nil
	}
	return counting
}
