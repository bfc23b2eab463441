package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/proxyproto"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// teller answers each connection with all that it got until the end of it.
func teller(t testing.TB) string {
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		all, _ := io.ReadAll(r)
		_, _ = conn.Write(all)
	})
	return address
}

// told is what a front's backend gets of what the app sends in pieces.
func told(t testing.TB, f *front, pieces ...string) (got string, from netip.AddrPort) {
	t.Helper()
	conn := dialed(t, f)
	for i, piece := range pieces {
		if i > 0 {
			time.Sleep(5 * time.Millisecond) // for it to come as a piece of its own, which is all the same if not
		}
		_, _ = io.WriteString(conn, piece)
	}
	_ = conn.CloseWrite()
	all, _ := io.ReadAll(conn)
	return string(all), conn.LocalAddr().(*net.TCPAddr).AddrPort()
}

func TestProxyProtocolSent(t *testing.T) {
	o := defaults()
	o.Proxy.Send = 1
	f := startTCP(t, o, refusing(t), teller(t))
	got, from := told(t, f, "hello")
	to := netip.MustParseAddrPort(f.address)
	if want := fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\nhello", from.Port(), to.Port()); got != want {
		t.Errorf("the backend got %q, want %q", got, want)
	}
	o = defaults()
	o.Proxy.Send = 2
	f = startTCP(t, o, teller(t))
	got, from = told(t, f, "hello")
	want := proxyproto.Header{Source: from, Destination: netip.MustParseAddrPort(f.address)}
	if h, n, err := proxyproto.Parse([]byte(got)); err != nil || h != want || got[n:] != "hello" {
		t.Errorf("the backend got %q: %+v, %v", got, h, err)
	}
}

// The app's address is passed on though it says nothing, to a backend that
// speaks first.
func TestProxyProtocolSentAtOnce(t *testing.T) {
	o := defaults()
	o.Proxy.Send = 1
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		line, _ := r.ReadString('\n')
		_, _ = io.WriteString(conn, "welcome, "+line)
	})
	f := startTCP(t, o, address)
	if got := raw(t, f.address, ""); !strings.HasPrefix(got, "welcome, PROXY TCP4 127.0.0.1 ") {
		t.Errorf("got %q", got)
	}
}

func TestProxyProtocolAccepted(t *testing.T) {
	o := defaults()
	o.Proxy = Preface{Accept: true, Trusted: loopback, Send: 1}
	f := startTCP(t, o, teller(t))
	const who = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n"
	v2 := string(proxyproto.AppendV2(nil, proxyproto.Header{
		Source: netip.MustParseAddrPort("192.0.2.1:1234"), Destination: netip.MustParseAddrPort("192.0.2.2:80"),
	}))
	for _, pieces := range [][]string{
		{who + "hello"}, {who, "hello"}, {who[:3], who[3:20], who[20:] + "hel", "lo"},
		{v2 + "hello"}, {v2[:13], v2[13:], "hello"},
	} {
		if got, _ := told(t, f, pieces...); got != who+"hello" {
			t.Errorf("of %q the backend got %q", pieces, got)
		}
	}
	for _, local := range []string{"PROXY UNKNOWN\r\n", string(proxyproto.AppendV2(nil, proxyproto.Header{Local: true}))} {
		got, from := told(t, f, local+"hello")
		if want := fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d ", from.Port()); !strings.HasPrefix(got, want) {
			t.Errorf("of %q the backend got %q, want %q", local, got, want)
		}
	}
	settled(t, f)
	if n := f.Meter.Errors.Load(); n != 0 {
		t.Errorf("%d errors: %v", n, f.Meter.Failures())
	}
}

// What is no header, or comes too late or from somebody else, goes nowhere.
func TestProxyProtocolRefused(t *testing.T) {
	for name, row := range map[string]struct {
		trusted []netip.Prefix
		send    string
		ends    bool
	}{
		"none":          {loopback, "GET / HTTP/1.1\r\n\r\n", true},
		"malformed":     {loopback, "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", true},
		"cut short":     {loopback, "PROXY TCP4 1.2.3", true},
		"not trusted":   {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nhello", false},
		"trusts nobody": {nil, "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nhello", false},
		"too late":      {loopback, "PROXY TCP4 1.2.3", false},
	} {
		t.Run(name, func(t *testing.T) {
			address, asked := rawBackend(t, func(net.Conn, *bufio.Reader) {})
			o := defaults()
			o.Timeouts.Header = 50 * time.Millisecond
			o.Proxy = Preface{Accept: true, Trusted: row.trusted}
			f := startTCP(t, o, address)
			conn := dialed(t, f)
			_, _ = io.WriteString(conn, row.send)
			if row.ends {
				_ = conn.CloseWrite()
			}
			cutWithin(t, conn, 5*time.Second)
			settled(t, f)
			if f.Meter.Failures()[BadRequest] != 1 || asked.Load() != 0 || f.Meter.Backends.Load() != 0 {
				t.Errorf("counted %v; %d reached the backend", f.Meter.Failures(), asked.Load())
			}
		})
	}
}

// A drain does not wait for headers, nor is their absence an error then.
func TestProxyProtocolDrain(t *testing.T) {
	o := defaults()
	o.Proxy = Preface{Accept: true, Trusted: loopback}
	f := startTCP(t, o, teller(t))
	conn := dialed(t, f)
	_, _ = io.WriteString(conn, "PROXY ")
	within(t, "it is there", func() bool { return f.Meter.Active.Load() == 1 })
	f.stop(cancelled(t))
	cutWithin(t, conn, time.Second)
	if f.Meter.Errors.Load() != 0 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

// A client of a unix socket has no address, and is trusted by the file's mode.
func TestProxyProtocolOfAUnixSocket(t *testing.T) {
	o := defaults()
	o.Proxy = Preface{Accept: true, Send: 1}
	f := startTCP(t, o, teller(t))
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(l) }()
	defer func() {
		l.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	for sent, want := range map[string]string{
		"PROXY UNKNOWN\r\nhello":                       "PROXY UNKNOWN\r\nhello",
		"PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\n" + "hello": "PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\nhello",
	} {
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, sent)
		_ = conn.(*net.UnixConn).CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != want {
			t.Errorf("the backend got %q, %v", got, err)
		}
		conn.Close()
	}
}
