package socket

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// over runs over another connection, as TLS does, and may find its end right
// behind the last bytes.
type over struct {
	net.Conn
	end bool
}

func (o *over) NetConn() net.Conn { return o.Conn }

func (o *over) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if err == nil && o.end {
		err = io.EOF
	}
	return n, err
}

// What runs over a connection is looked at there before it is used again: after
// its end, or with something to read that nobody asked for, nothing is sent.
func TestStaleBeneath(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   bool // found behind the answer
		after func(peer net.Conn)
		stale bool
	}{
		{"quiet", false, func(net.Conn) {}, false},
		{"the end behind the answer", true, func(net.Conn) {}, true},
		{"closed", false, func(peer net.Conn) { peer.Close() }, true},
		{"more than was asked for", false, func(peer net.Conn) { _, _ = io.WriteString(peer, "more") }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			peer, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			c := New(&over{Conn: conn, end: tt.end})
			if _, known := c.line.(*plain); !known {
				t.Fatalf("it is a %T", c.line)
			}
			_, _ = io.WriteString(peer, "answer")
			b, n, err := c.Ask([]byte("question"), false, false)
			if err != nil || string(b.B[:n]) != "answer" {
				t.Fatalf("%d bytes, %v", n, err)
			}
			b.Free()
			_, _ = io.ReadFull(peer, make([]byte, len("question")))
			tt.after(peer)
			raw := newRaw(New(conn))
			if raw == nil {
				t.Skip("there is no way to look on this system")
			}
			for end := time.Now().Add(5 * time.Second); !tt.end && raw.quiet() == tt.stale && time.Now().Before(end); {
				time.Sleep(time.Millisecond) // until it has come over
			}
			if c.Quiet() == tt.stale {
				t.Errorf("quiet is %t", c.Quiet())
			}
			if before := c.Written(); tt.stale {
				if _, _, err := c.Ask([]byte("question"), true, false); !errors.Is(err, ErrStale) || c.Written() != before {
					t.Errorf("got %v, %d bytes sent", err, c.Written()-before)
				}
			}
		})
	}
}
