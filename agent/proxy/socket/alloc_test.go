package socket

import (
	"bufio"
	"io"
	"net"
	"testing"
)

// echoing has the peer answer each line with itself, until the test ends.
func echoing(t testing.TB, way func(net.Conn) *Conn, network string) *Conn {
	conn, peer := connect(t, network)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewReader(peer)
		for {
			line, err := lines.ReadSlice('\n')
			if err != nil {
				return
			}
			if _, err := peer.Write(line); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return way(conn)
}

// Nothing that is done once for each message allocates.
func TestCallsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	for _, network := range []string{"tcp", "unix"} {
		c := echoing(t, New, network)
		if _, ok := c.line.(*plain); ok {
			t.Skip("there are no raw sockets here")
		}
		head, body, in := []byte("head "), []byte("body\n"), make([]byte, 100)
		watching := func() bool { n, err := c.TryRead(in); return n == 0 && err == ErrAgain }
		for what, call := range map[string]func() error{
			"Ask": func() error { b, _, err := c.Ask(body, true, false); b.Free(); return err },
			"Write, Read": func() error {
				_, _ = c.Write(body)
				_, err := c.Read(in)
				return err
			},
			"Writev, Fill": func() error {
				_ = c.Writev(head, body)
				b, _, err := c.Fill()
				b.Free()
				return err
			},
			"WhenReadable": func() error { _, _ = c.Write(body); return c.WhenReadable(watching) },
			"Gone": func() error {
				if c.Gone() {
					return io.EOF
				}
				return nil
			},
		} {
			if n := testing.AllocsPerRun(200, func() {
				if err := call(); err != nil {
					t.Fatal(what, err)
				}
			}); n != 0 {
				t.Errorf("%s, %s: %v allocations", network, what, n)
			}
		}
	}
}

// One exchange, from which the difference between the two ways can be seen.
func BenchmarkAsk(b *testing.B) {
	for name, way := range map[string]func(net.Conn) *Conn{"raw": New, "plain": NewPlain} {
		b.Run(name, func(b *testing.B) {
			c := echoing(b, way, "tcp")
			line := []byte("a line\n")
			b.ReportAllocs()
			for b.Loop() {
				buf, _, err := c.Ask(line, true, false)
				if err != nil {
					b.Fatal(err)
				}
				buf.Free()
			}
		})
	}
}
