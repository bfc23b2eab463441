//go:build unix

package load

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// turn is a connection on which one writes and then reads what comes back. It
// takes two system calls, where net.Conn takes three: before it waits, it tries
// in vain to read what cannot be there yet.
type turn struct {
	conn *net.TCPConn
	raw  syscall.RawConn
	step func(fd uintptr) bool // method exchangeStep, made once

	out  []byte // to be sent
	in   []byte // to be filled
	sent bool
	n    int
	err  error
}

func newTurn(conn *net.TCPConn) (*turn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	t := &turn{conn: conn, raw: raw}
	t.step = t.exchangeStep
	return t, nil
}

// exchange writes out, and reads once.
func (t *turn) exchange(out, in []byte) (n int, err error) {
	t.out, t.in, t.sent, t.n, t.err = out, in, false, 0, nil
	if err := t.raw.Read(t.step); err != nil {
		return 0, err
	}
	if t.err == nil && len(t.out) > 0 {
		if _, err := t.conn.Write(t.out); err != nil {
			return 0, err
		}
		return t.conn.Read(in)
	}
	return t.n, t.err
}

// exchangeStep runs when the connection may have become readable, and once
// before that: what is sent in there cannot be answered unnoticed. What a proxy
// says unasked is noticed no earlier than what it says next.
func (t *turn) exchangeStep(fd uintptr) (done bool) {
	if !t.sent {
		t.sent = true
		n, err := syscall.Write(int(fd), t.out)
		if err != nil && !errors.Is(err, syscall.EAGAIN) {
			t.err = err
			return true
		}
		t.out = t.out[max(n, 0):]
		return len(t.out) > 0
	}
	n, err := syscall.Read(int(fd), t.in)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return false
	case err != nil:
		t.err = err
	case n == 0:
		t.err = io.EOF
	default:
		t.n = n
	}
	return true
}
