package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

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

func TestWhenReadableMerged(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "word")
		p.hangUp(false)
		if text, _, err := watched(p.Conn, 100); text != "word" || err != io.EOF {
			t.Errorf("%q, %v", text, err)
		}
	})
}

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
