package socket

import "net"

// received makes a socket of a connection that was accepted.
func (ls *Loops) received(conn net.Conn) *Conn {
	l := ls.Pick()
	if l == nil {
		return New(conn)
	}
	c, err := l.take(conn)
	if err != nil {
		return New(conn)
	}
	conn.Close()
	return &c.Conn
}

// serve makes c one of its loop's.
func (c *looped) serve(turn func() (again bool)) error {
	c.turn, c.turns = turn, c.takeTurns
	return c.loop.add(c)
}
