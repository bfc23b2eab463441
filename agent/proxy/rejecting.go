package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
)

// rejecting is a listener whose connections put a Proxy-Status into the
// answers that net/http gives on its own to requests it cannot read. Those go
// to the connection past every handler, in one write of a fixed form.
type rejecting struct {
	net.Listener
	upstream string
}

func (l rejecting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &rejectingConn{conn, l.upstream}, nil
}

type rejectingConn struct {
	net.Conn
	upstream string
}

// rejection is what follows the status line of those answers.
const rejection = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

func (c *rejectingConn) Write(p []byte) (int, error) {
	if len(p) < 512 && bytes.HasPrefix(p, []byte("HTTP/1.1 ")) {
		if head, text, ok := bytes.Cut(p, []byte(rejection)); ok && !bytes.Contains(head, []byte("\r\n")) {
			return c.reject(p, string(head), string(text))
		}
	}
	return c.Conn.Write(p)
}

func (c *rejectingConn) reject(p []byte, head, text string) (int, error) {
	details := quoted(fmt.Sprintf("upstream %q: %s", c.upstream, head[len("HTTP/1.1 "):]))
	answer := fmt.Sprintf("%s\r\nProxy-Status: outrigger; error=http_request_error; details=%s%soutrigger: upstream %q: %s\n",
		head, details, rejection, c.upstream, strings.TrimSpace(text))
	if _, err := c.Conn.Write([]byte(answer)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite lets tunnels end one direction.
func (c *rejectingConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
