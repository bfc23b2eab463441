package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// listener is an upstream's socket. It is lent to one server after another,
// so that a reload can put a new server behind the same socket, on which
// connections go on to queue meanwhile.
type listener struct {
	net.Listener
	address string // as configured
}

// listen binds host:port or unix:///path.
func listen(address string) (*listener, error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		l, err := listenUnix(path)
		if err != nil {
			return nil, err
		}
		return &listener{l, address}, nil
	}
	config := net.ListenConfig{}
	if host, _, err := net.SplitHostPort(address); err == nil && isLoopback(host) {
		config.KeepAlive = -1 // what runs on this machine cannot vanish without a word
	}
	l, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, plain(err))
	}
	return &listener{l, address}, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback() || host == "localhost"
}

// listenUnix replaces a socket file that nobody listens on any more, as a
// process leaves behind that was killed, but no other file.
func listenUnix(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", path, plain(err))
	case info.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("cannot listen on %s: there is a file of that name which is no socket", path)
	default:
		if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
			conn.Close()
			return nil, fmt.Errorf("cannot listen on %s: another process does", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot listen on %s: the stale socket: %w", path, plain(err))
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", path, plain(err))
	}
	// The app may run as another user of the same group.
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot listen on %s: %w", path, plain(err))
	}
	return l, nil
}

// plain leaves out of an error what its wrapper repeats.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// at is where the listener really listens, which for port 0 the system chose.
func (l *listener) at() string {
	if l.Addr().Network() == "unix" {
		return l.address
	}
	return l.Addr().String()
}

// lend gives the listener to a server. It must have given back the one before,
// and its Serve must have returned.
func (l *listener) lend() net.Listener {
	_ = l.setDeadline(time.Time{})
	return &loan{listener: l, ended: make(chan struct{})}
}

func (l *listener) setDeadline(t time.Time) error {
	return l.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(t)
}

// loan is a listener whose Close only ends the loan.
type loan struct {
	*listener
	once  sync.Once
	ended chan struct{}
}

// Done tells a server that has no place for connections, and so does not call
// Accept, that the loan ended.
func (l *loan) Done() <-chan struct{} { return l.ended }

func (l *loan) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		select {
		case <-l.ended:
			return nil, net.ErrClosed
		default:
		}
	}
	return conn, err
}

// Close wakes Accept, which then tells the server that this is the end.
func (l *loan) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.setDeadline(time.Now())
}
