package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
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
		wg.Go(func() { p.hear(t, string(want)) })
		wg.Go(func() { p.say(t, "got it") })
		b, n, err := p.AskAll(false, slices...)
		if err != nil || string(b.B[:n]) != "got it" {
			t.Fatalf("%d, %v", n, err)
		}
		b.Free()
		wg.Wait()
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

func TestAsk(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		var wg sync.WaitGroup
		defer wg.Wait()
		const rounds = 200
		wg.Go(func() {
			for range rounds {
				p.hear(t, "head body")
				p.say(t, "answer")
			}
		})
		for i := range rounds {
			b, n, err := p.AskAll(i > 0, []byte("head "), []byte("body"))
			if err != nil || string(b.B[:n]) != "answer" {
				t.Fatalf("round %d: %q, %v", i, b.B[:n], err)
			}
			b.Free()
		}
	})
}

// A question larger than the kernel takes at once, whose answer comes before
// all of it is sent.
func TestAskMuch(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		question := strings.Repeat("x", 8<<20)
		var wg sync.WaitGroup
		wg.Go(func() {
			p.hear(t, question[:100])
			p.say(t, "early")
			p.hear(t, question[100:])
		})
		b, n, err := p.Ask([]byte(question), false)
		if err != nil || string(b.B[:n]) != "early" {
			t.Fatalf("%d, %v", n, err)
		}
		b.Free()
		wg.Wait()
	})
}

// What was kept and is of no use any more is found so before anything is sent.
func TestAskOfAStaleConnection(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, pair){
		"ended": func(_ *testing.T, p pair) { p.hangUp(false) },
		"reset": func(_ *testing.T, p pair) { p.hangUp(true) },
		"bytes": func(t *testing.T, p pair) { p.say(t, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			rawWay(t, func(t *testing.T, p pair) {
				spoil(t, p)
				if b, n, err := p.Ask([]byte("x"), true); err != ErrStale || b != nil || n != 0 || p.Written() != 0 {
					t.Errorf("%d, %v with %d bytes written", n, err, p.Written())
				}
			})
		})
	}
}

// A fresh connection whose peer speaks first: its word is the answer, though
// its wake-up was before the wait.
func TestAskOfOneWhoSpokeFirst(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "too many connections")
		time.Sleep(10 * time.Millisecond) // for the poller to have told, and nobody to have heard
		b, n, err := p.Ask([]byte("x"), false)
		if err != nil || string(b.B[:n]) != "too many connections" {
			t.Fatalf("%d, %v", n, err)
		}
		b.Free()
		p.hear(t, "x")
	})
}

// A peer that reads no more, but said why.
func TestAskOfOneWhoHungUpWithAWord(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		question := make([]byte, 32<<20)
		go func() {
			p.hear(t, string(question[:100]))
			p.say(t, "too large")
			p.peer.(interface{ CloseWrite() error }).CloseWrite()
			p.hear(t, string(question[:1<<20]))
			p.peer.Close() // with bytes unread, which resets the connection
		}()
		b, n, err := p.Ask(question, false)
		if err != nil {
			// A reset may take what was not read with it.
			if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
			return
		}
		if string(b.B[:n]) != "too large" {
			t.Errorf("%q", b.B[:n])
		}
		b.Free()
	})
}

// The number of bytes written when the question could not be sent tells that
// no more than these arrived.
func TestAskEnds(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		go func() {
			p.hear(t, "x")
			p.peer.Close()
		}()
		if b, n, err := p.Ask([]byte("x"), false); err != io.EOF || b != nil || n != 0 {
			t.Errorf("%v, %d, %v", b, n, err)
		}
	})
}

// watched collects what comes in, in reads of a size, until the end.
func watched(c *Conn, size int) (text string, calls int, err error) {
	var end error
	buf := make([]byte, size)
	waited := c.WhenReadable(func() bool {
		calls++
		n, err := c.TryRead(buf)
		text += string(buf[:n])
		if err == ErrAgain {
			return true
		}
		end = err
		return err == nil
	})
	if waited != nil {
		return text, calls, waited
	}
	return text, calls, end
}

// Whatever comes together, in whatever pieces it is read, nothing is missed.
func TestWhenReadable(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "before ")
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 100 {
				p.say(t, "again ")
			}
			p.say(t, "last")
			p.peer.Close() // word and end are one wake-up
		})
		text, _, err := watched(p.Conn, 7)
		if want := "before " + strings.Repeat("again ", 100) + "last"; text != want || err != io.EOF {
			t.Errorf("%q, %v", text, err)
		}
		wg.Wait()
	})
}

// Bytes and an end that are both there before anyone looks make one wake-up,
// or none.
func TestWhenReadableMerged(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "word")
		p.hangUp(false)
		if text, _, err := watched(p.Conn, 100); text != "word" || err != io.EOF {
			t.Errorf("%q, %v", text, err)
		}
	})
}

// With a reset behind bytes it is the same, but nothing tells that more is to
// come. Broken finds it.
func TestWhenReadableMergedWithAReset(t *testing.T) {
	rawWay(t, func(t *testing.T, p pair) {
		p.say(t, "word")
		p.hangUp(true)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			if _, ok := p.NetConn().(*net.TCPConn); ok {
				within(t, "broken", p.Broken)
				time.Sleep(5 * time.Millisecond) // most times it waits by now
				p.Interrupt()
			}
		})
		text, _, err := watched(p.Conn, 100)
		if text != "word" || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v", text, err)
		}
	})
}

// After a message that was read at once no read finds out that there is no
// more.
func TestWhenReadableReadsOnce(t *testing.T) {
	conn, peer := connect(t, "tcp")
	p := pair{New(conn), peer}
	if _, ok := p.line.(*plain); ok {
		t.Skip("there are no raw sockets here")
	}
	const messages = 200
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for range messages {
			p.say(t, "message")
			p.hear(t, "x")
		}
	})
	messagesRead, inVain, buf := 0, 0, make([]byte, 100)
	err := p.WhenReadable(func() bool {
		if n, _ := p.TryRead(buf); n == 0 {
			inVain++
			return true
		}
		messagesRead++
		_, _ = p.Write([]byte("x"))
		return messagesRead < messages
	})
	if err != nil || inVain > messages/10 {
		t.Errorf("%d of %d reads in vain, %v", inVain, inVain+messagesRead, err)
	}
}

// An end that comes while f is at the last bytes makes one wake-up with them,
// or one of its own that comes while nobody waits.
func TestWhenReadableEndsMeanwhile(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "word")
		buf, ends := make([]byte, 100), []error(nil)
		err := p.WhenReadable(func() bool {
			if len(ends) == 0 {
				p.peer.Close() // before it reads
			}
			_, err := p.TryRead(buf)
			ends = append(ends, err)
			return err == nil || err == ErrAgain
		})
		if err != nil || len(ends) < 2 || ends[len(ends)-1] != io.EOF {
			t.Errorf("%v, %v", ends, err)
		}
	})
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "word")
		buf, ends := make([]byte, 100), []error(nil)
		err := p.WhenReadable(func() bool {
			_, err := p.TryRead(buf)
			if len(ends) == 0 {
				p.peer.Close() // after it read
			}
			ends = append(ends, err)
			return err == nil || err == ErrAgain
		})
		if err != nil || len(ends) < 2 || ends[len(ends)-1] != io.EOF {
			t.Errorf("%v, %v", ends, err)
		}
	})
}

// An Interrupt frees an f that waits for another connection, and so the one
// that it reads.
func TestInterruptFreesACallback(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		stuck, peer := connect(t, "tcp")
		defer peer.Close()
		to := New(stuck)
		p.say(t, "x")
		waits := make(chan struct{})
		go func() {
			<-waits
			time.Sleep(5 * time.Millisecond)
			p.Interrupt()
			to.Interrupt()
			p.Close()
		}()
		err := p.WhenReadable(func() bool {
			_, _ = p.TryRead(make([]byte, 1))
			close(waits)
			_, err := to.Write(make([]byte, 64<<20))
			if err != ErrInterrupted {
				t.Errorf("writing ended with %v", err)
			}
			return false
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestBroken(t *testing.T) {
	conn, peer := connect(t, "tcp")
	p := pair{New(conn), peer}
	if _, ok := p.line.(*plain); ok {
		t.Skip("it cannot be known here")
	}
	if p.Broken() {
		t.Error("broken at the start")
	}
	p.say(t, "unread")
	_ = peer.(*net.TCPConn).CloseWrite()
	time.Sleep(time.Millisecond)
	if p.Broken() {
		t.Error("broken when it ended")
	}
	_, _ = p.Write([]byte("x"))
	p.hangUp(true)
	within(t, "broken", p.Broken)
}

func TestWhenReadableStops(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "ab")
		buf := make([]byte, 1)
		if err := p.WhenReadable(func() bool { _, _ = p.TryRead(buf); return false }); err != nil || buf[0] != 'a' {
			t.Errorf("%q, %v", buf, err)
		}
		if n, err := p.Read(buf); n != 1 || err != nil || buf[0] != 'b' { // no lock is held
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestTryFill(t *testing.T) {
	rawWay(t, func(t *testing.T, p pair) {
		var seen []error
		err := p.WhenReadable(func() bool {
			b, n, err := p.TryFill()
			if b != nil {
				seen = append(seen, errors.New(string(b.B[:n])))
				b.Free()
			} else {
				seen = append(seen, err)
			}
			if len(seen) == 1 {
				p.say(t, "word")
				p.peer.Close()
			}
			return err == nil || err == ErrAgain
		})
		if err != nil || len(seen) < 3 || seen[0] != ErrAgain || seen[1].Error() != "word" || seen[len(seen)-1] != io.EOF {
			t.Errorf("%v, %v", seen, err)
		}
	})
}

// A panic in a callback leaves the connection usable.
func TestPanicInACallback(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		func() {
			defer func() { _ = recover() }()
			_ = p.WhenReadable(func() bool { panic("a fault") })
		}()
		p.say(t, "a")
		if n, err := p.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestInterrupt(t *testing.T) {
	for what, call := range map[string]func(*Conn) error{
		"Read":         func(c *Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"Fill":         func(c *Conn) error { _, _, err := c.Fill(); return err },
		"Ask":          func(c *Conn) error { _, _, err := c.Ask([]byte("x"), false); return err },
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
