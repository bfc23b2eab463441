package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// S5: an app that takes all descriptors it can get takes none that the admin
// listener and Consul need, and when it lets go all is as before.
func TestS5Descriptors(t *testing.T) {
	child := startChild(t, "descriptors")
	var held []net.Conn
	for range 400 { // the process may have 256
		conn, err := net.Dial("tcp", child.address("upstream"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		held = append(held, conn)
		_, _ = io.WriteString(conn, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n") // takes one more, to the backend
	}
	impatient := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	for range 20 {
		resp, err := impatient.Get("http://" + child.address("admin") + "/consul")
		if err != nil {
			t.Fatalf("the admin listener has no descriptor: %v", err)
		}
		if body := bodyOf(t, resp); resp.StatusCode != 200 {
			t.Fatalf("Consul could not be called: %s", body)
		}
	}
	for _, conn := range held {
		conn.Close()
	}
	eventually(t, "it serves again", func() bool {
		resp, err := impatient.Get("http://" + child.address("upstream"))
		return err == nil && bodyOf(t, resp) == "" && resp.StatusCode == 200
	})
}

func TestDescriptors(t *testing.T) {
	for _, test := range []struct {
		limit       uint64
		reserve     int
		end, places int
	}{{1024, 128, 896, 448}, {1024, 0, 1024, 512}, {100, 128, 50, 25}, {1, 1, 1, 1}} {
		if d := newDescriptors(test.limit, test.reserve); d.end != test.end || d.Places() != test.places {
			t.Errorf("of %d, %d in reserve: up to %d, %d places", test.limit, test.reserve, d.end, d.Places())
		}
	}
	if d := newDescriptors(1<<63, 1); d != nil || d.Places() != 0 {
		t.Error("without a limit there is one")
	}
	if d := NewDescriptors(128); d == nil || d.end < 128 {
		t.Errorf("the system's: %+v", d)
	}
}

// A connection to a backend is not made of the reserve.
func TestDescriptorsOfBackends(t *testing.T) {
	for name, serve := range map[string]func(Options) Server{
		"http": func(o Options) Server { return NewHTTP(o) }, "tcp": func(o Options) Server { return NewTCP(o) },
	} {
		t.Run(name, func(t *testing.T) {
			o := defaults()
			o.Retry.Max = 0
			o.Descriptors = &Descriptors{end: 3, places: 10} // all beyond are the reserve
			f := start(t, o, serve, backend(t, func(http.ResponseWriter, *http.Request) {}))
			answer := raw(t, f.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if name == "http" && (len(answer) < 12 || answer[9:12] != "503") {
				t.Errorf("got %q", answer)
			}
			settled(t, f)
			if n := f.Meter.Failures()[NoDescriptor]; n != 1 || o.Descriptors.Refused.Load() != 1 || statsOf(t, f, 0).Failures != 0 {
				t.Errorf("counted %v, refused %d, %d held against the backend", f.Meter.Failures(), o.Descriptors.Refused.Load(), statsOf(t, f, 0).Failures)
			}
		})
	}
}

// The number of a connection's descriptor tells how many are in use, also of
// those that loops have made theirs.
func TestDescriptorsOfLoops(t *testing.T) {
	o := startHTTP(t, defaults()).Options
	l := listen(t) // nobody accepts, so that each connection takes one descriptor
	defer l.Close()
	first, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	const few = 10
	o.Descriptors = &Descriptors{places: 1}
	o.Descriptors.end = o.Descriptors.numberOf(first) + few
	p := newPool(o, o.Loops, socket.NewClock())
	defer p.close()
	for range 2 * few {
		made, err := p.dial(t.Context(), l.Addr().String(), o.Loops.Pick())
		if errors.Is(err, errNoDescriptor) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer made.close()
	}
	t.Errorf("%d were made, of which %d are of the reserve", 2*few, few)
}

// Servers share the places for connections; who finds none waits, and does not
// keep his server from ending.
func TestDescriptorsAreShared(t *testing.T) {
	o := defaults()
	o.Descriptors = &Descriptors{end: 1 << 20, places: 1, freed: make(chan struct{})}
	address := backend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })
	first, second := startHTTP(t, o, address), startHTTP(t, o, address)
	taken, err := net.Dial("tcp", first.address)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	eventually(t, "it is there", func() bool { return first.Meter.Connections.Load() == 1 })
	beside, err := net.Dial("tcp", second.address) // its server was waiting for one already
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	eventually(t, "both servers wait", func() bool { return o.Descriptors.Waits.Load() == 2 })
	waits, err := net.Dial("tcp", second.address)
	if err != nil {
		t.Fatal(err)
	}
	defer waits.Close()
	_, _ = io.WriteString(waits, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	_ = waits.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := waits.Read(make([]byte, 1)); n > 0 || !errors.As(err, new(net.Error)) {
		t.Fatalf("it did not wait: %d, %v", n, err)
	}
	taken.Close()
	beside.Close()
	_ = waits.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := io.ReadAll(waits); err != nil || len(answer) == 0 {
		t.Errorf("%q, %v", answer, err)
	}
}
