package load

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// TestTurnLarge sends more than the kernel takes at once.
func TestTurnLarge(t *testing.T) {
	const size = 32 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan int64, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			got <- -1
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, io.LimitReader(conn, size))
		_, _ = conn.Write([]byte("thanks"))
		got <- n
	}()
	conn, err := dial(l.Addr().String(), time.Now().Add(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	turn, err := newTurn(conn)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]byte, 100)
	n, err := turn.exchange(bytes.Repeat([]byte("y"), size), in)
	if err != nil || string(in[:n]) != "thanks" {
		conn.Close()
		t.Errorf("%q, %v", in[:n], err)
	}
	if n := <-got; n != size {
		t.Errorf("%d bytes came of %d", n, size)
	}
}

// TestOnlyWhatIsMeasuredCounts leaves out the warm-up and what ends too late.
func TestOnlyWhatIsMeasuredCounts(t *testing.T) {
	r := &run{warm: make(chan struct{}), some: make(chan struct{})}
	r.cold.Store(1)
	one := &tally{run: r}
	for _, phase := range []int32{warming, measuring, measuring, ended} {
		r.phase.Store(phase)
		one.done(time.Millisecond)
	}
	if one.requests != 2 {
		t.Errorf("%d requests count", one.requests)
	}
	select {
	case <-r.warm:
	default:
		t.Error("after its first request it is not warm")
	}
}

// TestOnceSeesTheEnd has an answer after which the connection stays open.
func TestOnceSeesTheEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 100))
		_, _ = conn.Write([]byte("thanks"))
		_, _ = io.Copy(io.Discard, conn)
	}()
	read := func(net.Conn, int) error { return nil }
	if err := once(l.Addr().String(), time.Now().Add(200*time.Millisecond), []byte("please"), make([]byte, 100), read); err == nil {
		t.Error("a connection that stays open has ended")
	}
	<-over
}
