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
	crew    crew // which serves connections

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
	if err := accept(l, &t.door, func(conn net.Conn) { t.crew.do(func() { t.handle(conn) }) }); err != nil {
		return fmt.Errorf("upstream %q: %w", t.Upstream, err)
	}
	return nil
}

// Drain implements Server. Nothing in TCP tells a client to go away, so it
// waits for connections to end until ctx does, and cuts the rest.
func (t *TCP) Drain(ctx context.Context) {
	t.tunnels.drain(ctx)
	t.crew.close()
	t.cancel()
	t.ticking.Wait()
}

func (t *TCP) handle(conn net.Conn) {
	m := t.Meter
	m.Active.Add(1)
	m.Connections.Add(1)
	v := newVisit(t, conn)
	defer func() {
		if fault := recover(); fault != nil {
			t.reportFault(fault)
			v.fail(ourFault)
		}
		v.report()
		m.Requests.Add(1)
		m.Connections.Add(-1)
		m.Active.Add(-1)
		t.door.leave()
	}()
	done, ok := t.tunnels.add(v)
	if !ok {
		conn.Close()
		return // after a drain
	}
	defer done()
	if f := v.serve(); f != nil {
		v.fail(f)
	}
}
