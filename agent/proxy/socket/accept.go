package socket

import "net"

// Acceptor accepts connections from a listener, for loops to share out.
type Acceptor struct {
	from  net.Listener
	loops *Loops
}

// NewAcceptor is for one goroutine that calls Accept. Loops may be nil.
func NewAcceptor(from net.Listener, loops *Loops) *Acceptor {
	return &Acceptor{from: from, loops: loops}
}

// Accept waits for the next connection. One of a loop does nothing before
// Serve is called.
func (a *Acceptor) Accept() (*Conn, error) {
	conn, err := a.from.Accept()
	if err != nil {
		return nil, err
	}
	return a.loops.received(conn), nil
}
