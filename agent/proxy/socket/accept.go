package socket

import "net"

// Acceptor accepts connections from a listener, for loops to share out. It is
// for one goroutine, or for what runs on Loop, and has to be closed.
type Acceptor struct {
	from  net.Listener
	loops *Loops
	queue *queueing // past package net; nil where that cannot be
}

// NewAcceptor makes an acceptor; loops may be nil. If from is made of a
// [Listener], and has a method Done that tells of its end, it is accepted from
// on a loop.
func NewAcceptor(from net.Listener, loops *Loops) *Acceptor {
	return &Acceptor{from: from, loops: loops, queue: loops.queueing(from)}
}

// Loop is where Accept is to be called; nil for any goroutine.
func (a *Acceptor) Loop() *Loop {
	if a.queue == nil {
		return nil
	}
	return a.queue.home()
}

// Accept waits for the next connection. One of a loop does nothing before
// Serve is called. After the listener's end come those that wait by then, and
// then net.ErrClosed.
func (a *Acceptor) Accept() (*Conn, error) {
	if a.queue != nil {
		return a.queue.accept(a.loops)
	}
	conn, err := a.from.Accept()
	if err != nil {
		return nil, err
	}
	return a.loops.received(conn), nil
}

// Close ends the acceptor, not the listener.
func (a *Acceptor) Close() {
	if a.queue != nil {
		a.queue.end()
	}
}
