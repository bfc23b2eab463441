package socket

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Adopt makes a socket of a *net.TCPConn or *net.UnixConn, which is the loop's
// from then on; without a loop it is [New]. With an error conn is closed: what
// waited for a socket that is no loop's would have all others on the loop wait.
func (l *Loop) Adopt(conn net.Conn) (*Conn, error) {
	if l == nil {
		return New(conn), nil
	}
	c, err := l.take(conn)
	conn.Close()
	if err != nil {
		return nil, err
	}
	c.fd = lower(c.fd)
	if err := l.add(c); err != nil {
		unix.Close(c.fd)
		return nil, err
	}
	return &c.Conn, nil
}

// lower moves a descriptor to the lowest number that is free, as that of a new
// connection is: the one that it was made of was open meanwhile.
func lower(fd int) int {
	low, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fd // it works without
	}
	unix.Close(max(fd, low))
	return min(fd, low)
}

// take makes another descriptor for the socket of a connection, which takes it
// away from the runtime's poller once the connection is closed. It does not add
// it yet.
func (l *Loop) take(conn net.Conn) (*looped, error) {
	under, ok := conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	fd, err := duplicate(under)
	if err != nil {
		return nil, err
	}
	tcp, isTCP := conn.RemoteAddr().(*net.TCPAddr)
	var peer netip.AddrPort
	if isTCP {
		peer = tcp.AddrPort()
	}
	return newLooped(l, fd, isTCP, peer), nil
}

// duplicate makes another descriptor for a socket.
func duplicate(of syscall.Conn) (fd int, err error) {
	raw, err := of.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(controlErr, err)
}
