package socket

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listener is a listening socket. The runtime's poller, which would wake a
// thread for each connection that comes, hears of it only once Accept is called:
// an [Acceptor] with loops needs that not. Any goroutine may call its methods.
type Listener struct {
	fd   int
	addr net.Addr
	path string // of a unix socket, which goes with it

	mu       sync.Mutex
	open     net.Listener // what Accept calls; nil while nobody does
	deadline time.Time
	closed   bool
}

// NewListener takes a *net.TCPListener or *net.UnixListener over, which is
// closed, also with an error.
func NewListener(from net.Listener) (*Listener, error) {
	l := &Listener{addr: from.Addr()}
	if u, ok := from.(*net.UnixListener); ok {
		l.path = l.addr.String()
		u.SetUnlinkOnClose(false)
	}
	defer from.Close()
	var err error
	l.fd, err = duplicate(from.(syscall.Conn))
	return l, err
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.addr }

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	open, err := l.opened()
	if err != nil {
		return nil, err
	}
	return open.Accept()
}

func (l *Listener) opened() (net.Listener, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open != nil {
		return l.open, nil
	}
	fd, err := l.duplicateLocked()
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	open, err := net.FileListener(file)
	if err != nil {
		return nil, err
	}
	l.open = open
	return open, l.applyLocked()
}

// SetDeadline is that of net.TCPListener.
func (l *Listener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	return l.applyLocked()
}

func (l *Listener) applyLocked() error {
	if l.open == nil {
		return nil
	}
	return l.open.(interface{ SetDeadline(time.Time) error }).SetDeadline(l.deadline)
}

// Rest forgets the deadline, and has the poller hear of nothing until Accept is
// called again.
func (l *Listener) Rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restLocked()
}

func (l *Listener) restLocked() {
	if l.deadline = (time.Time{}); l.open != nil {
		l.open.Close()
		l.open = nil
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	l.restLocked()
	if l.path != "" {
		_ = os.Remove(l.path) // somebody else may have
	}
	return os.NewSyscallError("close", unix.Close(l.fd))
}

// duplicate makes another descriptor for it.
func (l *Listener) duplicate() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.duplicateLocked()
}

func (l *Listener) duplicateLocked() (int, error) {
	if l.closed {
		return -1, net.ErrClosed
	}
	fd, err := unix.FcntlInt(uintptr(l.fd), unix.F_DUPFD_CLOEXEC, 0)
	return fd, os.NewSyscallError("fcntl", err)
}
