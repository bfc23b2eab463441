package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// namingBackend says its name at once, and then each line that it gets.
func namingBackend(t testing.TB, name string) (address string) {
	t.Helper()
	return startNaming(t, name, false)
}

const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n"

// startNaming starts one that does so once it was asked to switch from HTTP, if
// it has to be.
func startNaming(t testing.TB, name string, upgrades bool) (address string) {
	t.Helper()
	return answering(t, func(conn net.Conn) {
		lines := bufio.NewReader(conn)
		if upgrades {
			if _, err := http.ReadRequest(lines); err != nil {
				return
			}
			_, _ = io.WriteString(conn, switched)
		}
		_, _ = fmt.Fprintln(conn, name)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, line)
		}
	})
}

// answering is a backend of TCP that does with each connection as it is told,
// until the test ends.
func answering(t testing.TB, do func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				do(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// talk is a connection of lines.
type talk struct {
	net.Conn
	lines *bufio.Reader
}

func connect(t testing.TB, address string) *talk {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
	return &talk{conn, bufio.NewReader(conn)}
}

// upgrade connects by way of HTTP.
func upgrade(t testing.TB, address string) *talk {
	t.Helper()
	c := connect(t, address)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: lines\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	if resp, err := http.ReadResponse(c.lines, nil); err != nil || resp.StatusCode != 101 {
		t.Fatal(resp, err)
	}
	return c
}

// hear reads a line; "(ended)" is the end.
func (c *talk) hear() string {
	line, err := c.lines.ReadString('\n')
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "(nothing came)"
	case err != nil:
		return line + "(ended)"
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *talk) ask(t testing.TB, line string) {
	t.Helper()
	_, _ = fmt.Fprintln(c, line)
	if got := c.hear(); got != line {
		t.Errorf("got %q back for %q", got, line)
	}
}

// A backend that is taken out of the configuration loses its connections if
// that is wanted, those of a server that drains since a reload included.
func TestOnRemove(t *testing.T) {
	t.Run("tcp", func(t *testing.T) { testOnRemove(t, "tcp", connect) })
	t.Run("http", func(t *testing.T) { testOnRemove(t, "http", upgrade) })
}

func testOnRemove(t *testing.T, protocol string, connect func(testing.TB, string) *talk) {
	a, b := startNaming(t, "a", protocol == "http"), startNaming(t, "b", protocol == "http")
	configured := func(options, servers string) string {
		return fmt.Sprintf(`upstream "lines" {
			listen   = "127.0.0.1:0"
			protocol = %q
			strategy = "round_robin"
			%s
			%s
		}`, protocol, options, servers)
	}
	server := func(name, address string) string {
		return fmt.Sprintf("server %q { address = %q }\n", name, address)
	}
	both := server("a", a) + server("b", b)
	for _, mode := range []string{"keep", "close"} {
		t.Run(mode, func(t *testing.T) {
			options := fmt.Sprintf("on_remove = %q", mode)
			r := run(t, parse(t, "%s", configured(options, both)))
			eventually(t, "it listens", func() bool { return r.Addresses()["lines"] != "" })
			talks := map[string]*talk{}
			for range 2 {
				c := connect(t, r.Addresses()["lines"])
				talks[c.hear()] = c
			}
			if talks["a"] == nil || talks["b"] == nil {
				t.Fatalf("connected to %v", talks)
			}
			// Another server takes over, and the one before goes on with these.
			if err := r.Reload(parse(t, "%s", configured(options+"\ntimeouts { connect = \"2s\" }", both))); err != nil {
				t.Fatal(err)
			}
			talks["a"].ask(t, "still here")
			if err := r.Reload(parse(t, "%s", configured(options+"\ntimeouts { connect = \"2s\" }", server("b", b)))); err != nil {
				t.Fatal(err)
			}
			talks["b"].ask(t, "still here")
			if mode == "keep" {
				talks["a"].ask(t, "still here")
				return
			}
			if got := talks["a"].hear(); got != "(ended)" {
				t.Errorf("the removed backend said %q", got)
			}
		})
	}
}

// All places being taken, a reload need not wait for one.
func TestReloadWhileFull(t *testing.T) {
	configured := `upstream "lines" {
		listen   = "127.0.0.1:0"
		protocol = "tcp"
		limits { max_connections = 1 }
		timeouts { connect = %q }
		server "a" { address = %q }
	}`
	a := namingBackend(t, "a")
	r := run(t, parse(t, configured, "1s", a))
	eventually(t, "it listens", func() bool { return r.Addresses()["lines"] != "" })
	only := connect(t, r.Addresses()["lines"])
	if got := only.hear(); got != "a" {
		t.Fatalf("heard %q", got)
	}
	begin := time.Now()
	if err := r.Reload(parse(t, configured, "2s", a)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the reload took %v", took)
	}
	only.ask(t, "still here")
	if got := connect(t, r.Addresses()["lines"]).hear(); got != "a" { // the new server has a place of its own
		t.Errorf("heard %q", got)
	}
}

// The PROXY protocol comes from the configuration.
func TestProxyProtocolIsConfigured(t *testing.T) {
	r := run(t, parse(t, `upstream "lines" {
		listen       = "127.0.0.1:0"
		protocol     = "tcp"
		accept_proxy = true
		send_proxy   = "v1"
		server "a" { address = %q }
	}`, namingBackend(t, "a")))
	eventually(t, "it listens", func() bool { return r.Addresses()["lines"] != "" })
	const header = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2"
	c := connect(t, r.Addresses()["lines"])
	_, _ = io.WriteString(c, header+"\r\nhello\n")
	if name, first, second := c.hear(), c.hear(), c.hear(); name != "a" || first != header+"\r" || second != "hello" {
		t.Errorf("heard %q, %q, %q", name, first, second)
	}
	c = connect(t, r.Addresses()["lines"])
	_, _ = io.WriteString(c, "hello\n")
	if got := c.hear(); got != "(ended)" {
		t.Errorf("without a header: %q", got)
	}
}
