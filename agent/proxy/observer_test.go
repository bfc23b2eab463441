package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// notebook is an observer that keeps how all ended.
type notebook struct {
	mu                  sync.Mutex
	exchanges, attempts []Result
}

func (n *notebook) Begin(*message.Request) Exchange { return entry{n, &n.exchanges} }

func (n *notebook) read() (exchanges, attempts []Result) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.exchanges, n.attempts
}

type entry struct {
	*notebook
	list *[]Result
}

func (e entry) Attempt(*message.Request, *lb.Server, int, string) Attempt {
	return entry{e.notebook, &e.attempts}
}

func (e entry) Answer(*message.Response) {}

func (e entry) End(r Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	*e.list = append(*e.list, r)
}

// A request that becomes a tunnel has ended when that begins.
func TestATunnelIsNoLongRequest(t *testing.T) {
	o, notes := defaults(), new(notebook)
	o.Observer = notes
	f := startHTTP(t, o, echoSocket(t))
	conn := dialSocket(t, f.address)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	exchanges, attempts := notes.read()
	if len(exchanges) != 1 || len(attempts) != 1 || exchanges[0].Status != 101 || attempts[0].Status != 101 || exchanges[0].Attempts != 1 {
		t.Fatalf("while it is open: %+v, %+v", exchanges, attempts)
	}
	if f.Meter.Active.Load() != 1 || f.Meter.Requests.Load() != 1 {
		t.Errorf("%d under way, %d ended", f.Meter.Active.Load(), f.Meter.Requests.Load())
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	settled(t, f)
	if exchanges, attempts = notes.read(); len(exchanges) != 1 || len(attempts) != 1 || f.Meter.Requests.Load() != 1 {
		t.Errorf("in the end: %+v, %+v", exchanges, attempts)
	}
}

// A try has the sizes of what it carried, a request those of all that came and
// went; a try that reached nobody carried nothing.
func TestSizesOfBodies(t *testing.T) {
	answer := strings.Repeat("a", 100_000)
	breaking, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		if req := readHead(r); req != nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
		}
	})
	good := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, answer)
	})
	hangingUp, _ := rawBackend(t, func(_ net.Conn, r *bufio.Reader) {
		if req := readHead(r); req != nil {
			_, _ = io.Copy(io.Discard, req.Body)
		}
	})
	for name, test := range map[string]struct {
		backends              []string
		body                  int
		exchange, last, first [2]int64
	}{
		"small":      {[]string{good}, 10, [2]int64{10, 100_000}, [2]int64{10, 100_000}, [2]int64{10, 100_000}},
		"large":      {[]string{good}, 300_000, [2]int64{300_000, 100_000}, [2]int64{300_000, 100_000}, [2]int64{300_000, 100_000}},
		"retried":    {[]string{refusing(t), good}, 10, [2]int64{10, 100_000}, [2]int64{10, 100_000}, [2]int64{}},
		"sent again": {[]string{hangingUp, good}, 10, [2]int64{10, 100_000}, [2]int64{10, 100_000}, [2]int64{10, 0}},
		"broken off": {[]string{breaking}, 10, [2]int64{10, 4}, [2]int64{10, 4}, [2]int64{10, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			o, notes := defaults(), new(notebook)
			o.Observer = notes
			f := startHTTP(t, o, test.backends...)
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+f.address+"/", strings.NewReader(strings.Repeat("x", test.body)))
			if resp, err := client(t).Do(r); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			settled(t, f)
			sizes := func(r Result) [2]int64 { return [2]int64{r.Received, r.Sent} }
			exchanges, attempts := notes.read()
			if len(exchanges) != 1 || len(attempts) == 0 {
				t.Fatalf("%+v, %+v", exchanges, attempts)
			}
			if got := sizes(exchanges[0]); got != test.exchange {
				t.Errorf("the request has %v", got)
			}
			if first, last := sizes(attempts[0]), sizes(attempts[len(attempts)-1]); first != test.first || last != test.last {
				t.Errorf("tries have %v and %v", first, last)
			}
		})
	}
}

// What a request waits for is not the proxy's own time.
func TestOwnTime(t *testing.T) {
	const nap = 60 * time.Millisecond
	napping := backend(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(nap)
		w.WriteHeader(http.StatusNoContent)
	})
	o, notes := queued(t, lb.Queue{Length: 1}, napping), new(notebook)
	o.Observer = notes
	f := startHTTP(t, o)
	var wg sync.WaitGroup
	for range 2 { // one of them waits for the other's place
		wg.Go(func() { get(t, "http://"+f.address+"/") })
	}
	wg.Wait()
	settled(t, f)
	exchanges, attempts := notes.read()
	if len(exchanges) != 2 || len(attempts) != 2 {
		t.Fatalf("%+v, %+v", exchanges, attempts)
	}
	for _, a := range attempts {
		if a.Took < nap {
			t.Errorf("a try took %v", a.Took)
		}
	}
	for _, x := range exchanges {
		if x.Own <= 0 || x.Own > x.Took-nap {
			t.Errorf("%v of %v are its own", x.Own, x.Took)
		}
	}
	if longer := max(exchanges[0].Took, exchanges[1].Took); longer < 2*nap {
		t.Errorf("nobody waited: %v", longer)
	} else if own := exchanges[1].Own; own > longer-2*nap {
		t.Errorf("%v of %v are its own", own, longer)
	}
}
