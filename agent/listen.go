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

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// listener is an upstream's socket. It is lent to one server after another,
// so that a reload can put a new server behind the same socket, on which
// connections go on to queue meanwhile.
type listener struct {
	*socket.Listener
	address string // as configured
}

// listen binds host:port or unix:///path.
func listen(address string) (*listener, error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		l, err := listenUnix(path)
		if err != nil {
			return nil, err
		}
		return own(l, address)
	}
	config := net.ListenConfig{}
	if host, _, err := net.SplitHostPort(address); err == nil && isLoopback(host) {
		config.KeepAlive = -1 // what runs on this machine cannot vanish without a word
	}
	l, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, plain(err))
	}
	return own(l, address)
}

func own(l net.Listener, address string) (*listener, error) {
	held, err := socket.NewListener(l)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return &listener{held, address}, nil
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
	l.Rest()
	return &loan{listener: l, ended: make(chan struct{})}
}

// loan is a listener whose Close only ends the loan, once it has handed over the
// connections that were waiting by then: if the listener is closed next, they
// would be reset.
type loan struct {
	*listener
	once  sync.Once
	ended chan struct{}
	until time.Time // of the looks for such connections; set before ended is closed
}

const (
	// look is how long a connection is looked for that waits already.
	look = time.Millisecond
	// mostLooks bounds them all, as others may go on to come.
	mostLooks = 50 * time.Millisecond
)

// Done tells a server that has no place for connections, and so does not call
// Accept, that the loan ended.
func (l *loan) Done() <-chan struct{} { return l.ended }

func (l *loan) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		return conn, nil
	}
	select {
	case <-l.ended:
	default:
		return nil, err
	}
	if now := time.Now(); now.Before(l.until) && l.SetDeadline(now.Add(look)) == nil {
		if conn, err := l.Listener.Accept(); err == nil {
			return conn, nil
		}
	}
	return nil, net.ErrClosed
}

// Close wakes Accept, which in the end tells the server that this is it.
func (l *loan) Close() error {
	l.once.Do(func() {
		l.until = time.Now().Add(mostLooks)
		close(l.ended)
	})
	return l.SetDeadline(time.Now())
}
