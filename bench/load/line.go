package load

import (
	"context"
	"net"
	"time"
)

// dial connects. The options that Go sets by default are left out: each is a
// system call, and one row makes a connection for each request.
func dial(target string, deadline time.Time) (*net.TCPConn, error) {
	d := net.Dialer{Deadline: deadline, KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1}
	conn, err := d.DialContext(context.Background(), "tcp", target)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(deadline); err != nil {
		conn.Close()
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}
