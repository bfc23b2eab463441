package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// TCP serves an upstream by carrying the bytes of each connection to a backend
// and back. Create it with NewTCP.
type TCP struct {
	Options
	budget  *budget
	tunnels *tunnels // visits
	door    door
	crew    crew           // which connects them
	relays  sync.WaitGroup // of those that are connected

	clock   *socket.Clock
	running sync.Once
	ticking sync.WaitGroup
	ctx     context.Context // of the clock
	cancel  context.CancelFunc
}

// NewTCP makes a server. It starts nothing.
func NewTCP(o Options) *TCP {
	t := &TCP{Options: o, budget: newBudget(o.Retry), tunnels: newTunnels(), clock: socket.NewClock()}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.door = newDoor(o)
	return t
}

// Serve implements Server.
func (t *TCP) Serve(l net.Listener) error {
	t.running.Do(func() { t.ticking.Go(func() { t.clock.Run(t.ctx) }) })
	if err := accept(l, nil, &t.door, func(c *socket.Conn) { t.crew.do(func() { t.handle(c) }) }); err != nil {
		return fmt.Errorf("upstream %q: %w", t.Upstream, err)
	}
	return nil
}

// Drain implements Server. Nothing in TCP tells a client to go away, so it
// waits for connections to end until ctx does, and cuts the rest.
func (t *TCP) Drain(ctx context.Context) {
	t.tunnels.drain(ctx)
	t.crew.close()
	t.relays.Wait()
	t.cancel()
	t.ticking.Wait()
}

// handle connects a connection to a backend. The bytes that flow then have
// goroutines of their own: the way there, with a dial and perhaps a handshake,
// takes a large stack, which a connection that is idle would keep.
func (t *TCP) handle(c *socket.Conn) {
	t.Meter.Active.Add(1)
	t.Meter.Connections.Add(1)
	v := newVisit(t, c)
	flows := false
	defer func() {
		if !flows {
			v.leave(recover())
		}
	}()
	var ok bool
	if v.done, ok = t.tunnels.add(v); !ok {
		c.Close()
		return // after a drain
	}
	flows = v.serve()
}
