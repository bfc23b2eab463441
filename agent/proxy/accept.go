package proxy

import (
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// accept hands each connection of l to handle until l is closed, and returns
// nil then. Each connection first takes a place of d, which handle has to see
// given back.
func accept(l net.Listener, loops *socket.Loops, d *door, handle func(*socket.Conn)) error {
	from := socket.NewAcceptor(l, loops)
	var closed <-chan struct{}
	if l, ok := l.(interface{ Done() <-chan struct{} }); ok {
		closed = l.Done()
	}
	ended := make(chan error, 1)
	from.Loop().Go(func() {
		err := acceptAll(from, closed, d, handle)
		from.Close()
		ended <- err
	})
	return <-ended
}

func acceptAll(from *socket.Acceptor, closed <-chan struct{}, d *door, handle func(*socket.Conn)) error {
	home := from.Loop()
	pause := time.Duration(0)
	for {
		if !d.await(home, closed) {
			return nil
		}
		conn, err := from.Accept()
		if err == nil {
			pause = 0
			d.enter()
			handle(conn)
			continue
		}
		d.putBack()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case exhausted(err):
			// No descriptor is left, and there will be none for a moment.
			// Trying on at once would burn a processor meanwhile.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			home.Block(func() {
				select {
				case <-time.After(pause):
				case <-closed: // which Accept tells too
				}
			})
		default:
			return err
		}
	}
}

func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.ECONNABORTED)
}
