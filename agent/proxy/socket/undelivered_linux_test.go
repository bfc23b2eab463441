package socket

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// exchange has one question and answer on a connection, after which both
// sides have acknowledged everything.
func exchange(t *testing.T, p pair) {
	t.Helper()
	if _, err := p.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	p.hear(t, "question")
	p.say(t, "answer")
	if n, err := p.Read(make([]byte, 100)); n != 6 || err != nil {
		t.Fatal(n, err)
	}
}

// What a peer that had closed cannot have seen is told apart from what it may
// have. The same holds for the first request on a connection and for later
// ones.
func TestUndelivered(t *testing.T) {
	request := func(t *testing.T, p pair) int64 {
		t.Helper()
		from := p.Written()
		if _, err := p.Write([]byte("request")); err != nil {
			t.Fatal(err)
		}
		return from
	}
	ends := func(t *testing.T, p pair, want error) {
		t.Helper()
		n, err := p.Read(make([]byte, 100))
		if n != 0 || !errors.Is(err, want) {
			t.Fatalf("read %d bytes, %v; want %v", n, err, want)
		}
	}
	for name, row := range map[string]struct {
		play func(t *testing.T, p pair) (from int64)
		want bool
	}{
		"closed before the request": {func(t *testing.T, p pair) int64 {
			p.hangUp(false)
			from := request(t, p) // answered by a reset, which follows the end
			ends(t, p, io.EOF)
			return from
		}, true},
		"closed before the request, and asked twice": {func(t *testing.T, p pair) int64 {
			p.hangUp(false)
			from := request(t, p)
			within(t, "a reset", func() bool { _, err := p.Write([]byte("more")); return err != nil })
			ends(t, p, io.EOF)
			ends(t, p, io.EOF)
			return from
		}, true},
		"closed before the request, the end being read first": {func(t *testing.T, p pair) int64 {
			p.hangUp(false)
			ends(t, p, io.EOF)
			return request(t, p)
		}, true},
		"read, and closed without an answer": {func(t *testing.T, p pair) int64 {
			from := request(t, p)
			p.hear(t, "request")
			p.hangUp(false)
			ends(t, p, io.EOF)
			return from
		}, false},
		"the first byte of it read, and closed": {func(t *testing.T, p pair) int64 {
			from := p.Written()
			_, _ = p.Write([]byte("r"))
			p.hear(t, "r")
			p.hangUp(false)
			_, _ = p.Write([]byte("equest"))
			ends(t, p, io.EOF)
			return from
		}, false},
		"not read, and reset": {func(t *testing.T, p pair) int64 {
			from := request(t, p)
			p.hangUp(true)
			ends(t, p, syscall.ECONNRESET)
			return from
		}, false},
		"half closed, and read on": {func(t *testing.T, p pair) int64 {
			_ = p.peer.(*net.TCPConn).CloseWrite()
			from := request(t, p)
			p.hear(t, "request")
			ends(t, p, io.EOF)
			within(t, "the ACK, which may be delayed", func() bool { return !p.Undelivered(from) })
			return from
		}, false},
		"not ended": {func(t *testing.T, p pair) int64 { return p.Written() }, false},
	} {
		for _, used := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				conn, peer := connect(t, "tcp")
				p := pair{New(conn), peer}
				if used {
					exchange(t, p)
				}
				from := row.play(t, p)
				if got := p.Undelivered(from); got != row.want {
					n, _ := p.line.acked()
					t.Errorf("undelivered from %d on: %v; %d were written and %d acknowledged", from, got, p.Written(), n)
				}
			})
		}
	}
}

// Where nothing acknowledges anything, nothing is proven.
func TestUndeliveredIsOfTCP(t *testing.T) {
	conn, peer := connect(t, "unix")
	p := pair{New(conn), peer}
	peer.Close()
	if _, err := p.Read(make([]byte, 1)); err != io.EOF || p.Undelivered(0) {
		t.Errorf("%v, undelivered %v", err, p.Undelivered(0))
	}
}
