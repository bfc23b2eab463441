package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// visited has an option to be told of visits, which come in the channel.
func visited(o Options) (Options, <-chan Visit) {
	visits := make(chan Visit, 10)
	o.OnVisit = func(v Visit) { visits <- v }
	return o, visits
}

// next is the visit told of next, without what is another each time.
func next(t *testing.T, visits <-chan Visit) (server string, v Visit) {
	t.Helper()
	select {
	case v = <-visits:
	case <-time.After(10 * time.Second):
		t.Fatal("no visit was told of")
	}
	if v.Took <= 0 || v.Took > time.Minute || v.Connecting < 0 || v.Connecting > v.Took {
		t.Errorf("it took %v, of which it connected for %v", v.Took, v.Connecting)
	}
	if v.Server != nil {
		server = v.Server.ID
	}
	v.Took, v.Connecting, v.Server = 0, 0, nil
	return server, v
}

var here = netip.MustParseAddr("127.0.0.1")

// Each connection is told of once, at its end, with how it went.
func TestVisits(t *testing.T) {
	breaking := func() string {
		address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
			_, _ = io.WriteString(conn, "part")
			_, _ = r.ReadString('\n')
			reset(conn)
		})
		return address
	}
	talk := func(word string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, word)
			_ = conn.CloseWrite()
			_, _ = io.ReadAll(conn)
		}
	}
	listen := func(conn *net.TCPConn) { // and not say the end, which may be heard only after the reset
		_, _ = io.WriteString(conn, "go\n")
		_, _ = io.ReadAll(conn)
	}
	stubborn := defaults()
	stubborn.Retry.Max = 0
	trusting := defaults()
	trusting.Proxy = Preface{Accept: true, Trusted: []netip.Prefix{netip.PrefixFrom(here, 8)}}
	for name, test := range map[string]struct {
		options  Options
		backends []string
		app      func(*net.TCPConn)
		server   string
		want     Visit
	}{
		"good": {
			defaults(), []string{refusing(t), echoTCP(t)}, talk("hello"),
			"1", Visit{Result: Result{GRPC: -1, Attempts: 2, Received: 5, Sent: 14}, Client: here},
		},
		"refused": {
			stubborn, []string{refusing(t), echoTCP(t)}, talk("hello"),
			"0", Visit{Result: Result{GRPC: -1, Attempts: 1, Error: "connect_refused"}, Client: here},
		},
		"nobody": {
			defaults(), nil, talk("hello"),
			"", Visit{Result: Result{GRPC: -1, Error: "no_backend"}, Client: here},
		},
		"broken": {
			defaults(), []string{breaking()}, listen,
			"0", Visit{Result: Result{GRPC: -1, Attempts: 1, Received: 3, Sent: 4, Error: "reset"}, Client: here},
		},
		"behind another proxy": {
			trusting, []string{echoTCP(t)}, talk("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello"),
			"0", Visit{Result: Result{GRPC: -1, Attempts: 1, Received: 5, Sent: 14}, Client: netip.MustParseAddr("192.0.2.1")},
		},
		"without the header": {
			trusting, []string{echoTCP(t)}, talk("hello"),
			"", Visit{Result: Result{GRPC: -1, Error: "bad_request"}, Client: here},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.options.Meter = new(Meter)
			o, visits := visited(test.options)
			f := startTCP(t, o, test.backends...)
			test.app(dialed(t, f))
			if server, v := next(t, visits); v != test.want || server != test.server {
				t.Errorf("%q, %+v", server, v)
			}
		})
	}
}

// Who goes before a backend had the connection is no failure, and who is cut
// by a drain is told of too, also where the connection comes after it.
func TestVisitsThatEndEarly(t *testing.T) {
	o, visits := visited(queued(t, lb.Queue{Length: 2}, echoTCP(t)))
	f := startTCP(t, o)
	served := dialed(t, f)
	_, _ = io.WriteString(served, "a")
	waitFor(t, f, "one is served", func(s lb.Stats) bool { return s.Active == 1 })
	going := dialed(t, f)
	waitFor(t, f, "one waits", oneWaits)
	reset(going)
	if server, v := next(t, visits); v != (Visit{Result: Result{GRPC: -1, Cancelled: true}, Client: here}) || server != "" {
		t.Errorf("who went: %q, %+v", server, v)
	}
	dialed(t, f)
	waitFor(t, f, "one waits", oneWaits)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.stop(ctx)
	var cut [2]Visit
	for i := range cut {
		_, cut[i] = next(t, visits)
	}
	if cut[0].Received == 1 { // in either order
		cut[0], cut[1] = cut[1], cut[0]
	}
	cut[0].Attempts = 0 // who waits may still be given the place of the other
	if want := [2]Visit{
		{Result: Result{GRPC: -1}, Client: here}, {Result: Result{GRPC: -1, Attempts: 1, Received: 1}, Client: here},
	}; cut != want {
		t.Errorf("cut: %+v", cut)
	}
	_, ours := joined(t)
	f.server.(*TCP).handle(ours)
	if server, v := next(t, visits); v != (Visit{Result: Result{GRPC: -1}, Client: here}) || server != "" {
		t.Errorf("after the drain: %q, %+v", server, v)
	}
	if n := f.Meter.Requests.Load(); n != 4 {
		t.Errorf("%d connections were counted", n)
	}
}
