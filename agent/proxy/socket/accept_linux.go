package socket

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// received makes a socket of a connection that was accepted.
func (ls *Loops) received(conn net.Conn) *Conn {
	l := ls.Pick()
	if l == nil {
		return New(conn)
	}
	c, err := l.take(conn)
	if err != nil {
		return New(conn)
	}
	conn.Close()
	return &c.Conn
}

// queueing is a listener's queue of connections, from another descriptor of it.
type queueing struct {
	*looped
	over chan struct{} // closed by end
}

// queueing is nil for what is no Listener, or cannot tell of its end: another
// descriptor hears nothing of that.
func (ls *Loops) queueing(from net.Listener) *queueing {
	over, ok := from.(interface{ Done() <-chan struct{} })
	of, has := from.(interface{ duplicate() (int, error) })
	if ls == nil || !ok || !has {
		return nil
	}
	fd, err := of.duplicate()
	if err != nil {
		return nil
	}
	_, isTCP := from.Addr().(*net.TCPAddr)
	if isTCP {
		// What is accepted has the options of its listener.
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // it works without
	}
	q := &queueing{looped: newLooped(ls.Pick(), fd, isTCP, netip.AddrPort{}), over: make(chan struct{})}
	q.dry = false
	if err := q.loop.add(q.looped); err != nil {
		unix.Close(fd)
		return nil
	}
	go func() {
		select {
		case <-over.Done():
			q.Interrupt()
		case <-q.over:
		}
	}()
	return q
}

func (q *queueing) end() {
	close(q.over)
	q.outside(func(fd int) { _ = q.loop.unwatch(fd) }) // the listener stays
	q.Close()
}

// accept takes the next out of the queue.
func (q *queueing) accept(loops *Loops) (*Conn, error) {
	for {
		waited := q.await()
		fd, peer, err := acceptFrom(q.fd)
		switch {
		case err == nil:
			if q.isTCP && !peer.Addr().Unmap().IsLoopback() {
				keepAlive(fd)
			}
			return &newLooped(loops.Pick(), fd, q.isTCP, peer).Conn, nil
		case !errors.Is(err, syscall.EAGAIN):
			return nil, os.NewSyscallError("accept4", err)
		case waited != nil:
			return nil, net.ErrClosed
		}
		q.dry = true
	}
}

func acceptFrom(listener int) (fd int, peer netip.AddrPort, err error) {
	for {
		fd, address, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch a := address.(type) {
		case *unix.SockaddrInet4:
			peer = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
		case *unix.SockaddrInet6:
			peer = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
		}
		if !errors.Is(err, syscall.EINTR) {
			return fd, peer, err
		}
	}
}

// keepAlive has the kernel find out if the peer's machine is gone, in the times
// of package net.
func keepAlive(fd int) {
	const every = int(15 * time.Second / time.Second)
	for _, option := range [...]struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, every},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, every},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		_ = unix.SetsockoptInt(fd, option.level, option.name, option.value) // it works without
	}
}

// serve makes c one of its loop's.
func (c *looped) serve(turn func() (again bool)) error {
	c.turn, c.turns = turn, c.takeTurns
	return c.loop.add(c)
}
