package socket

import (
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

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
			b, n, err := p.Ask([]byte("head body"), i > 0, i%2 > 0)
			if err != nil || string(b.B[:n]) != "answer" {
				t.Fatalf("round %d: %q, %v", i, b.B[:n], err)
			}
			b.Free()
		}
	})
}

func TestAskMuch(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		question := strings.Repeat("x", 8<<20)
		var wg sync.WaitGroup
		wg.Go(func() {
			p.hear(t, question[:100])
			p.say(t, "early")
			p.hear(t, question[100:])
		})
		b, n, err := p.Ask([]byte(question), false, false)
		if err != nil || string(b.B[:n]) != "early" {
			t.Fatalf("%d, %v", n, err)
		}
		b.Free()
		wg.Wait()
	})
}

func TestAskOfAStaleConnection(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, pair){
		"ended": func(_ *testing.T, p pair) { p.hangUp(false) },
		"reset": func(_ *testing.T, p pair) { p.hangUp(true) },
		"bytes": func(t *testing.T, p pair) { p.say(t, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			rawWay(t, func(t *testing.T, p pair) {
				spoil(t, p)
				if b, n, err := p.Ask([]byte("x"), true, false); err != ErrStale || b != nil || n != 0 || p.Written() != 0 {
					t.Errorf("%d, %v with %d bytes written", n, err, p.Written())
				}
			})
		})
	}
}

func TestAskOfOneWhoSpokeFirst(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		p.say(t, "too many connections")
		time.Sleep(10 * time.Millisecond) // for the poller to have told, and nobody to have heard
		b, n, err := p.Ask([]byte("x"), false, false)
		if err != nil || string(b.B[:n]) != "too many connections" {
			t.Fatalf("%d, %v", n, err)
		}
		b.Free()
		p.hear(t, "x")
	})
}

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
		b, n, err := p.Ask(question, false, false)
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

func TestAskEnds(t *testing.T) {
	everyWay(t, func(t *testing.T, p pair) {
		go func() {
			p.hear(t, "x")
			p.peer.Close()
		}()
		if b, n, err := p.Ask([]byte("x"), false, false); err != io.EOF || b != nil || n != 0 {
			t.Errorf("%v, %d, %v", b, n, err)
		}
	})
}
