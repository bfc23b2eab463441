package proxy

import (
	"net/http"
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
