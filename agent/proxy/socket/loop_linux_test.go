package socket

import (
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newLoops(t *testing.T, n int) *Loops {
	t.Helper()
	loops, err := NewLoops(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loops.Close)
	return loops
}

// What Block calls may wait for what others on the loop do.
func TestBlockLetsOthersGoOn(t *testing.T) {
	l := newLoops(t, 1).Pick()
	there, over := make(chan struct{}), make(chan struct{})
	l.Go(func() {
		l.Block(func() { <-there })
		close(over)
	})
	l.Go(func() { close(there) })
	<-over
}

// What a burst has needed is not kept for ever.
func TestFibersAfterBurst(t *testing.T) {
	l := newLoops(t, 1).Pick()
	before := runtime.NumGoroutine()
	const burst = 4 * mostIdle
	goOn := make(chan struct{})
	var waiting, over sync.WaitGroup
	for range burst {
		waiting.Add(1)
		over.Add(1)
		l.Go(func() {
			defer over.Done()
			l.Block(func() { waiting.Done(); <-goOn })
		})
	}
	waiting.Wait()
	close(goOn)
	over.Wait()
	within(t, "most have ended", func() bool { return runtime.NumGoroutine() <= before+mostIdle })
}

// A panic in what Block calls is one of its caller.
func TestPanicInBlock(t *testing.T) {
	l := newLoops(t, 1).Pick()
	caught := make(chan any)
	for range 2 { // the second time on the same fiber
		l.Go(func() {
			defer func() { caught <- recover() }()
			l.Block(func() { panic("fault") })
		})
		if got := <-caught; got != "fault" {
			t.Errorf("%v", got)
		}
	}
}

// Without a loop everything is done at once, or by goroutines.
func TestNoLoop(t *testing.T) {
	var loops *Loops
	l := loops.Pick()
	done := false
	l.Block(func() { done = true })
	over := make(chan struct{})
	l.Go(func() { close(over) })
	<-over
	if !done {
		t.Error("Block returned before it was done")
	}
	conn, peer := connect(t, "tcp")
	c := adopt(t, l, conn)
	if c.Loop() != nil {
		t.Error("it is a loop's")
	}
	peer.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	loops.Close()
}

// Connections that loops serve, all at once: each hears what it said, whatever
// comes together or in pieces, and the end ends it.
func TestServe(t *testing.T) {
	loops := newLoops(t, 3)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ended atomic.Int64
	var accepting sync.WaitGroup
	accepting.Go(func() {
		from := NewAcceptor(l, loops)
		for {
			c, err := from.Accept()
			if err != nil {
				return
			}
			if !c.Peer().IsValid() || c.Loop() == nil || c.NetConn() != nil {
				t.Errorf("%v, %v, %v", c.Peer(), c.Loop(), c.NetConn())
			}
			buf := make([]byte, 100)
			if err := c.Serve(func() bool {
				n, err := c.TryRead(buf)
				if err == ErrAgain {
					return true
				}
				if err == nil {
					_, err = c.Write(buf[:n])
				}
				if err != nil {
					c.Close()
					ended.Add(1)
				}
				return err == nil
			}); err != nil {
				t.Error(err)
			}
		}
	})
	const count = 50
	var talking sync.WaitGroup
	for range count {
		talking.Go(func() {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			said, heard := make([]byte, 100<<10), make([]byte, 100<<10)
			for i := range said {
				said[i] = byte(i * 7)
			}
			talking.Go(func() { _, _ = conn.Write(said) })
			if _, err := io.ReadFull(conn, heard); err != nil || string(heard) != string(said) {
				t.Errorf("%v", err)
			}
		})
	}
	talking.Wait()
	within(t, "all have ended", func() bool { return ended.Load() == count })
	l.Close()
	accepting.Wait()
}

// What cannot be a loop's is of no use on one, where all would wait with it.
func TestAdoptNothingElse(t *testing.T) {
	l := newLoops(t, 1).Pick()
	closed, _ := connect(t, "tcp")
	closed.Close()
	other, peer := net.Pipe()
	defer peer.Close()
	for _, conn := range []net.Conn{closed, other} {
		if c, err := l.Adopt(conn); err == nil {
			t.Errorf("%T became one of %v", conn, c.Loop())
		}
	}
	if _, err := other.Write([]byte("?")); err == nil {
		t.Error("it is open still")
	}
}

// A released connection is any goroutine's, with what came meanwhile.
func TestRelease(t *testing.T) {
	l := newLoops(t, 1).Pick()
	conn, peer := connect(t, "tcp")
	c := adopt(t, l, conn)
	if _, err := peer.Write([]byte("ahead")); err != nil {
		t.Fatal(err)
	}
	done := make(chan net.Conn)
	l.Go(func() {
		released, err := c.Release()
		if err != nil {
			t.Error(err)
		}
		if _, err := c.Release(); err == nil {
			t.Error("released twice")
		}
		done <- released
	})
	released := <-done
	defer released.Close()
	c.Close() // is nothing any more
	got := make([]byte, 5)
	if _, err := io.ReadFull(released, got); err != nil || string(got) != "ahead" {
		t.Errorf("%q, %v", got, err)
	}
}

// A loop that is waited for by the runtime gives way: a collection does not have
// to wait until something comes in.
func TestCollectionWithIdleLoops(t *testing.T) {
	newLoops(t, runtime.GOMAXPROCS(0))
	for range 20 {
		runtime.GC()
	}
}

// ending is a listener that tells of its end.
type ending struct {
	*Listener
	done chan struct{}
}

func (e ending) Done() <-chan struct{} { return e.done }

// What waits in the queue at a listener's end is accepted, and then that is it.
// The listener itself goes on.
func TestAcceptorEmptiesTheQueue(t *testing.T) {
	loops := newLoops(t, 2)
	l := listening(t, "tcp", "127.0.0.1:0")
	for range 2 {
		e := ending{l, make(chan struct{})}
		from := NewAcceptor(e, loops)
		if from.Loop() == nil {
			t.Fatal("it accepts on no loop")
		}
		const count = 100 // more than in a row
		began, over := make(chan struct{}), make(chan int)
		from.Loop().Go(func() {
			from.Loop().Block(func() { <-began })
			n := 0
			for {
				c, err := from.Accept()
				if err == net.ErrClosed {
					break
				}
				if err != nil {
					t.Error(err)
					break
				}
				if !c.Peer().IsValid() || c.Loop() == nil {
					t.Errorf("%v, %v", c.Peer(), c.Loop())
				}
				c.Close()
				n++
			}
			from.Close()
			over <- n
		})
		for range count {
			dial(t, l.Addr())
		}
		close(e.done)
		close(began)
		if n := <-over; n != count {
			t.Errorf("%d were accepted, want %d", n, count)
		}
	}
}

// Who learns at the end of a turn that one connection is of no use, and asks on
// another one at once, is heard there.
func TestAskAfterFailedAsk(t *testing.T) {
	l := newLoops(t, 1).Pick()
	conn, _ := connect(t, "tcp")
	useless := adopt(t, l, conn)
	defer useless.Close()
	conn, peer := connect(t, "tcp")
	p := pair{adopt(t, l, conn), peer}
	defer p.Close()
	got := make(chan error, 1)
	l.Go(func() {
		if err := useless.CloseWrite(); err != nil {
			t.Error(err)
		}
		if _, _, err := useless.Ask([]byte("question"), false, true); err == nil {
			t.Error("it was sent on a connection that takes nothing")
		}
		b, _, err := p.Ask([]byte("question"), false, true)
		b.Free()
		got <- err
	})
	_ = p.peer.SetDeadline(time.Now().Add(5 * time.Second))
	defer p.Interrupt()
	p.hear(t, "question")
	p.say(t, "answer")
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// Who never has to wait, as a peer is quick enough, keeps nobody else from
// going on.
func TestOthersHaveTheirTurn(t *testing.T) {
	const calls = 1000
	for what, call := range map[string]func(c *Conn) error{
		"read":  func(c *Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"write": func(c *Conn) error { _, err := c.Write(make([]byte, 1)); return err },
		"try":   func(c *Conn) error { _, err := c.TryRead(make([]byte, 1)); return err },
	} {
		l := newLoops(t, 1).Pick()
		conn, peer := connect(t, "tcp")
		c := adopt(t, l, conn)
		if _, err := peer.Write(make([]byte, 2*calls)); err != nil {
			t.Fatal(err)
		}
		over := make(chan int)
		l.Go(func() {
			defer c.Close()
			if _, err := c.Read(make([]byte, 1)); err != nil { // it is there
				t.Error(err)
			}
			before := -1
			l.Go(func() { before = 0 })
			for n := range calls {
				if err := call(c); err != nil {
					t.Errorf("%s: %v", what, err)
					break
				}
				if before == 0 {
					before = n + 1
				}
			}
			over <- before
		})
		if before := <-over; before < 0 || before > 2*mostInARow {
			t.Errorf("%s: another one had its turn after %d calls", what, before)
		}
	}
}
