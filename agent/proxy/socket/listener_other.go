//go:build !linux

package socket

import (
	"net"
	"time"
)

// Listener is a listening socket.
type Listener struct{ net.Listener }

// NewListener takes a *net.TCPListener or *net.UnixListener over.
func NewListener(from net.Listener) (*Listener, error) { return &Listener{from}, nil }

// SetDeadline is that of net.TCPListener.
func (l *Listener) SetDeadline(t time.Time) error {
	return l.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(t)
}

// Rest forgets the deadline.
func (l *Listener) Rest() { _ = l.SetDeadline(time.Time{}) }
