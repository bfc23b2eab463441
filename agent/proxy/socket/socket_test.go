package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestReadAndWrite(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		buf := make([]byte, 100)
		p.say(t, "hello")
		if n, err := p.Read(buf); err != nil || string(buf[:n]) != "hello" {
			t.Errorf("%q, %v", buf[:n], err)
		}
		go func() { // this time it has to wait
			time.Sleep(10 * time.Millisecond)
			_, _ = io.WriteString(p.peer, "world")
		}()
		b, n, err := p.Fill()
		if err != nil || string(b.B[:n]) != "world" {
			t.Fatalf("%q, %v", b.B[:n], err)
		}
		b.Free()
		if n, err := p.Write([]byte("a")); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := p.Write(nil); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if err := p.Writev([]byte("b"), nil, []byte("cd")); err != nil {
			t.Error(err)
		}
		if err := p.Writev(); err != nil {
			t.Error(err)
		}
		p.hear(t, "abcd")
		if n := p.Written(); n != 4 {
			t.Errorf("%d bytes were written", n)
		}
		if err := p.CloseWrite(); err != nil {
			t.Error(err)
		}
		if n, err := p.peer.Read(buf); err != io.EOF {
			t.Errorf("the peer read %d bytes, %v", n, err)
		}
		p.say(t, "bye")
		p.peer.Close()
		if n, err := p.Read(buf); err != nil || string(buf[:n]) != "bye" {
			t.Errorf("%q, %v", buf[:n], err)
		}
		for range 2 {
			if n, err := p.Read(buf); n != 0 || err != io.EOF {
				t.Errorf("at the end: %d, %v", n, err)
			}
			if b, n, err := p.Fill(); b != nil || n != 0 || err != io.EOF {
				t.Errorf("at the end: %v, %d, %v", b, n, err)
			}
		}
	})
}

// More than the kernel takes at once, in more slices than go out at once.

func TestWritevOfMuch(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		var slices [][]byte
		for i := range 11 {
			slices = append(slices, bytes.Repeat([]byte{byte('a' + i)}, i*100_000+i))
		}
		want := bytes.Join(slices, nil)
		before := make([][]byte, len(slices))
		copy(before, slices)
		var wg sync.WaitGroup
		wg.Go(func() {
			got := make([]byte, len(want))
			_, err := io.ReadFull(p.peer, got)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("something else arrived: %v", err)
			}
		})
		if err := p.Writev(slices...); err != nil {
			t.Error(err)
		}
		wg.Wait()
		for i := range slices {
			if len(slices[i]) != len(before[i]) {
				t.Errorf("slice %d was changed", i)
			}
		}
		if n := p.Written(); n != int64(len(want)) {
			t.Errorf("%d bytes were written", n)
		}
	})
}

func TestWriteToOneWhoLeft(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.hangUp(true)
		within(t, "writing fails", func() bool {
			_, err := p.Write([]byte("x"))
			return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		})
	})
}

// A question larger than the kernel takes at once, whose answer comes before

// all of it is sent.

// What was kept and is of no use any more is found so before anything is sent.

// A fresh connection whose peer speaks first: its word is the answer, though

// its wake-up was before the wait.

// A peer that reads no more, but said why.

// The number of bytes written when the question could not be sent tells that

// no more than these arrived.

// watched collects what comes in, in reads of a size, until the end.

// Whatever comes together, in whatever pieces it is read, nothing is missed.

// Bytes and an end that are both there before anyone looks make one wake-up,

// or none.

// With a reset behind bytes it is the same, but nothing tells that more is to

// come. Broken finds it.

// After a message that was read at once no read finds out that there is no

// more.

// An end that comes while f is at the last bytes makes one wake-up with them,

// or one of its own that comes while nobody waits.

// An Interrupt frees an f that waits for another connection, and so the one

// that it reads.

// A panic in a callback leaves the connection usable.

func TestInterrupt(t *testing.T) {
	for what, call := range map[string]func(*Conn) error{
		"Read":         func(c *Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"Fill":         func(c *Conn) error { _, _, err := c.Fill(); return err },
		"Ask":          func(c *Conn) error { _, _, err := c.Ask([]byte("x"), false, false); return err },
		"WhenReadable": func(c *Conn) error { _, _, err := watched(c, 1); return err },
		"Write": func(c *Conn) error {
			for {
				if _, err := c.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			everyWay(t, func(t *testing.T, p pair) {
				go func() {
					time.Sleep(5 * time.Millisecond) // both before and after it waits it must do
					p.Interrupt()
				}()
				for range 2 {
					if err := call(p.Conn); err != ErrInterrupted {
						t.Errorf("%v", err)
					}
				}
			})
		})
	}
}

func TestInterruptReadLeavesWriting(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.InterruptRead()
		if _, err := p.Read(make([]byte, 1)); err != ErrInterrupted {
			t.Error(err)
		}
		if _, err := p.Write([]byte("too slow")); err != nil {
			t.Error(err)
		}
		p.hear(t, "too slow")
	})
}

func TestClose(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		go func() { time.Sleep(5 * time.Millisecond); p.Close() }()
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if _, err := p.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestGone(t *testing.T) {
	for _, rude := range []bool{false, true} {
		rawWay(t, func(t *testing.T, p pair) {
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() { _, _, _ = watched(p.Conn, 1) }) // another who reads
			if p.Gone() {
				t.Error("gone at the start")
			}
			p.say(t, "x")
			if p.Gone() {
				t.Error("gone after a word")
			}
			p.hangUp(rude)
			within(t, "gone", p.Gone)
		})
	}
	rawWay(t, func(t *testing.T, p pair) {
		p.say(t, "x")
		p.hangUp(false)
		for range 3 {
			if p.Gone() {
				t.Error("gone, though not all was read")
			}
		}
		_, _ = p.Read(make([]byte, 1))
		if !p.Gone() {
			t.Error("not gone, though all was read")
		}
		p.Close()
		if !p.Gone() {
			t.Error("not gone, though closed")
		}
	})
}

func TestPlainKnowsLess(t *testing.T) {
	conn, peer := net.Pipe()
	defer peer.Close()
	c := New(conn)
	peer.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
	if c.Gone() || c.Undelivered(0) {
		t.Error("it claims to know")
	}
	if err := c.CloseWrite(); err != nil { // closes all, as it cannot do half
		t.Error(err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("it can still be written")
	}
}
