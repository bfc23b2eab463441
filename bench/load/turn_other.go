//go:build !unix

package load

import "net"

// turn is a connection on which one writes and then reads what comes back.
type turn struct{ conn *net.TCPConn }

func newTurn(conn *net.TCPConn) (*turn, error) { return &turn{conn}, nil }

func (t *turn) exchange(out, in []byte) (n int, err error) {
	if _, err := t.conn.Write(out); err != nil {
		return 0, err
	}
	return t.conn.Read(in)
}
