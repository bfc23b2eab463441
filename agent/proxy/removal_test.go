package proxy

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// cancelled is a context that has ended.
func cancelled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// removing is a TCP front with two backends, whose balancer tells it what it
// removes, and a connection to each of the backends.
func removing(t *testing.T, r Removal, options ...func(*Options)) (f *front, toFirst, toSecond *net.TCPConn, first lb.Server) {
	t.Helper()
	o := defaults()
	o.Removal = r
	for _, option := range options {
		option(&o)
	}
	var told Follower
	o.Balancer = lb.New(inOrder{}, lb.WithHooks(lb.Hooks{Change: func(c lb.Change) {
		if c.To.Rule == 2 {
			told.Removed(c.Server)
		}
	}}))
	first = lb.Server{ID: "0", Address: parrot(t), MaxConnections: 1}
	for _, s := range []lb.Server{first, {ID: "1", Address: parrot(t)}} {
		if err := o.Balancer.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	f = startTCP(t, o)
	told = f.server.(Follower)
	toFirst = dialed(t, f)
	converse(t, toFirst, "hello")
	toSecond = dialed(t, f)
	converse(t, toSecond, "hello")
	return f, toFirst, toSecond, first
}

func remove(t *testing.T, f *front) {
	t.Helper()
	if err := f.Balancer.Remove("0"); err != nil {
		t.Fatal(err)
	}
}

func TestRemovedKeep(t *testing.T) {
	for _, mode := range []RemovalMode{"", Keep} {
		f, first, second, _ := removing(t, Removal{Mode: mode, Grace: time.Millisecond})
		remove(t, f)
		time.Sleep(50 * time.Millisecond)
		converse(t, first, "still here")
		converse(t, second, "still here")
	}
}

func TestRemovedClose(t *testing.T) {
	f, first, second, _ := removing(t, Removal{Mode: Close, Grace: time.Hour})
	remove(t, f)
	cutWithin(t, first, 2*time.Second)
	converse(t, second, "still here")
	within(t, "the one that was cut is not counted", func() bool { return f.Meter.Connections.Load() == 1 })
	if f.Meter.Errors.Load() != 0 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

func TestRemovedDrain(t *testing.T) {
	f, first, second, _ := removing(t, Removal{Mode: Drain, Grace: 300 * time.Millisecond})
	begin := time.Now()
	remove(t, f)
	for time.Since(begin) < 200*time.Millisecond { // traffic makes no difference
		converse(t, first, "in its grace")
		time.Sleep(10 * time.Millisecond)
	}
	cutWithin(t, first, 3*time.Second)
	if took := time.Since(begin); took < 300*time.Millisecond || took > 2*time.Second {
		t.Errorf("it was cut after %v", took)
	}
	converse(t, second, "still here")
}

// A server that comes back within the grace keeps its connections, for which
// the times go on as before.
func TestRemovedAndBack(t *testing.T) {
	f, first, _, server := removing(t, Removal{Mode: Drain, Grace: 50 * time.Millisecond})
	remove(t, f)
	if err := f.Balancer.Add(server); err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond)
	converse(t, first, "still here")
	remove(t, f) // this time for good
	cutWithin(t, first, 2*time.Second)
}

// One that moved to another address is another server.
func TestRemovedByMoving(t *testing.T) {
	f, first, second, server := removing(t, Removal{Mode: Close})
	server.Address = parrot(t)
	if err := f.Balancer.Replace([]lb.Server{server, *statsOf(t, f, 1).Server}); err != nil {
		t.Fatal(err)
	}
	cutWithin(t, first, 2*time.Second)
	converse(t, second, "still here")
	converse(t, dialed(t, f), "hello")
}

// A long grace does not put off the timeout for silence.
func TestRemovedAndSilent(t *testing.T) {
	f, first, _, _ := removing(t, Removal{Mode: Drain, Grace: time.Hour}, func(o *Options) { o.Timeouts.Tunnel = 500 * time.Millisecond })
	converse(t, first, "still here")
	remove(t, f)
	cutWithin(t, first, 2*time.Second)
}

// leaky picks like inOrder, and has a server removed right behind that, before
// it is connected to.
type leaky struct {
	inOrder
	remove func()
}

func (l leaky) Prepare(r lb.Roster) lb.Picker { return leakyPicker{l.inOrder.Prepare(r), l.remove} }

type leakyPicker struct {
	lb.Picker
	remove func()
}

func (p leakyPicker) Pick(q lb.Query) int {
	i := p.Picker.Pick(q)
	p.remove()
	return i
}

func TestRemovedWhileConnecting(t *testing.T) {
	o := defaults()
	o.Removal = Removal{Mode: Close}
	o.Balancer = lb.New(leaky{remove: func() { _ = o.Balancer.Remove("0") }})
	f := startTCP(t, o)
	if err := o.Balancer.Add(lb.Server{ID: "0", Address: parrot(t)}); err != nil {
		t.Fatal(err)
	}
	cutWithin(t, dialed(t, f), 2*time.Second)
	settled(t, f)
	if f.Meter.Took.Load().Quantile(1) == 0 || f.Meter.Errors.Load() != 0 {
		t.Errorf("it did not connect, or counted %v", f.Meter.Failures())
	}
}
