package socket

import (
	"net"
	"testing"
)

// looping is a socket of a loop that may be used by the test's goroutines, one
// that reads and one that writes, as any other.
func looping(t testing.TB, conn net.Conn) *Conn {
	t.Helper()
	loops, err := NewLoops(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loops.Close)
	c := adopt(t, loops.Pick(), conn)
	l := c.line.(*looped)
	t.Cleanup(func() { c.Close() })
	c.line = &visitor{l}
	return c
}

func adopt(t testing.TB, l *Loop, conn net.Conn) *Conn {
	t.Helper()
	c, err := l.Adopt(conn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// visitor has the loop do what is asked of it from outside.
type visitor struct{ *looped }

func (v *visitor) do(f func()) {
	done := make(chan any)
	v.loop.Go(func() {
		defer func() { done <- recover() }()
		f()
	})
	if fault := <-done; fault != nil {
		panic(fault)
	}
}

func (v *visitor) read(p []byte) (n int, err error) {
	v.do(func() { n, err = v.looped.read(p) })
	return n, err
}

func (v *visitor) fill() (b *Buffer, n int, err error) {
	v.do(func() { b, n, err = v.looped.fill() })
	return b, n, err
}

func (v *visitor) ask(reused, repeatable bool) (b *Buffer, n int, err error) {
	v.do(func() { b, n, err = v.looped.ask(reused, repeatable) })
	return b, n, err
}

// watch calls f on the loop, where it reads by tryRead.
func (v *visitor) watch(f func() bool, brief bool) (err error) {
	v.do(func() { err = v.looped.watch(f, brief) })
	return err
}

func (v *visitor) send() (err error) {
	v.do(func() { err = v.looped.send() })
	return err
}
