//go:build !linux

package socket

import "net"

// Loops are none: event loops are for Linux.
type Loops struct{}

// Loop is nil.
type Loop struct{}

// NewLoops makes none.
func NewLoops(int) (*Loops, error) { return nil, nil }

// Close does nothing.
func (*Loops) Close() {}

// Pick is nil.
func (*Loops) Pick() *Loop { return nil }

// queueing is none.
type queueing struct{}

func (*Loops) queueing(net.Listener) *queueing { return nil }
func (*queueing) home() *Loop                  { return nil }
func (*queueing) accept(*Loops) (*Conn, error) { return nil, net.ErrClosed }
func (*queueing) end()                         {}
func (*Loops) received(conn net.Conn) *Conn    { return New(conn) }

// Go has f run in a goroutine.
func (*Loop) Go(f func()) { go f() }

// Block calls f.
func (*Loop) Block(f func()) { f() }

// Adopt is New.
func (*Loop) Adopt(conn net.Conn) (*Conn, error) { return New(conn), nil }
