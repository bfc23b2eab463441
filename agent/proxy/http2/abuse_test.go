package http2

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// C11: each of these is ended, while the server's other connections serve on.
func TestFloods(t *testing.T) {
	address := serve(t, ServerOptions{}, func(s *ServerStream) {
		for {
			if _, err := s.NextBody(); err != nil {
				break
			}
		}
		ok(s)
	})
	frames := func(one func(b []byte, n int) []byte) func(*raw) {
		return func(r *raw) {
			var b []byte
			for n := range 100000 {
				if b = one(b, n); len(b) > 32<<10 {
					if _, err := r.net.Write(b); err != nil {
						return
					}
					b = b[:0]
				}
			}
		}
	}
	reset := func(b []byte, n int) []byte { return appendReset(b, uint32(2*n+1), Cancel) }
	for name, flood := range map[string]func(*raw){
		"PING":     frames(func(b []byte, _ int) []byte { return appendPing(b, 0, healthPing) }),
		"PING ack": frames(func(b []byte, _ int) []byte { return appendPing(b, flagAck, healthPing) }),
		"SETTINGS": frames(func(b []byte, _ int) []byte { return appendSettings(b) }),
		"many settings": func(r *raw) {
			_ = r.WriteSettings(make([]xhttp2.Setting, 1000)...)
		},
		"PRIORITY":      frames(func(b []byte, n int) []byte { return append(appendFrame(b, 5, kindPriority, 0, 1), 0, 0, 0, 0, 9) }),
		"WINDOW_UPDATE": frames(func(b []byte, _ int) []byte { return appendWindowUpdate(b, 0, 1) }),
		"unknown":       frames(func(b []byte, _ int) []byte { return appendFrame(b, 0, 77, 0, 1) }),
		"empty DATA": func(r *raw) {
			r.post(1)
			frames(func(b []byte, _ int) []byte { return appendFrame(b, 0, kindData, 0, 1) })(r)
		},
		"late RST_STREAM": func(r *raw) {
			r.get(1)
			frames(func(b []byte, _ int) []byte { return appendReset(b, 1, Cancel) })(r)
		},
		"CONTINUATION": func(r *raw) {
			_ = r.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(request("GET")...)})
			frames(func(b []byte, _ int) []byte { return appendFrame(b, 0, kindContinuation, 0, 1) })(r)
		},
		"rapid reset": func(r *raw) {
			head := bytes.Clone(r.block(request("GET")...)) // this goes into the table, and stays good
			frames(func(b []byte, n int) []byte {
				b = append(appendFrame(b, len(head), kindHeaders, flagEndHeaders|flagEndStream, uint32(2*n+1)), head...)
				if n == 0 {
					head = r.block(request("GET")...)
				}
				return reset(b, n)
			})(r)
		},
		"malformed": func(r *raw) {
			frames(func(b []byte, n int) []byte {
				return append(appendFrame(b, 1, kindHeaders, flagEndHeaders, uint32(2*n+1)), 0x82)
			})(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := rawClient(t, address)
			var wg sync.WaitGroup
			wg.Go(func() { flood(r) })
			defer wg.Wait()
			f := until(r, func(*xhttp2.GoAwayFrame) bool { return true })
			if Code(f.ErrCode) != EnhanceYourCalm {
				t.Errorf("%v: %s", f.ErrCode, f.DebugData())
			}
			r.closed()
			r.net.Close()
			other := rawClient(t, address)
			other.get(1)
			other.status(1)
		})
	}
}

// Answers that are not read are not kept without end, though what they answer
// comes beside something that is worth it.
func TestUnreadAnswers(t *testing.T) {
	ended := make(chan error, 1)
	c, s := pipe(t)
	v := NewServer(s, nil, ServerOptions{}, func(s *ServerStream) {
		for {
			if _, err := s.NextBody(); err != nil {
				return
			}
		}
	})
	go func() { ended <- v.Serve() }()
	r := newRaw(t, c)
	_, _ = c.Write([]byte(Preface))
	_ = r.WriteSettings()
	r.post(1)
	var b []byte
	for range 8 {
		b = appendPing(b, 0, healthPing)
	}
	b = append(appendFrame(b, 1, kindData, 0, 1), 'x')
	for range 10000 {
		if _, err := c.Write(b); err != nil {
			break
		}
	}
	if err, is := errors.AsType[*Error](<-ended); !is || err.Code != EnhanceYourCalm {
		t.Errorf("%v", err)
	}
}

// C11: whatever a client does, no more handlers run than it may have streams.
// Those that were broken off count until they have returned.
func TestHandlersAreBounded(t *testing.T) {
	const most = 5
	var running, peak, handled atomic.Int32
	release := make(chan struct{})
	address := serve(t, ServerOptions{MaxStreams: most}, func(s *ServerStream) {
		if n := running.Add(1); n > peak.Load() {
			peak.Store(n)
		}
		handled.Add(1)
		<-release
		running.Add(-1)
		ok(s)
	})
	r := rawClient(t, address)
	id := uint32(1)
	for range 40 {
		for range most {
			r.get(id)
			_ = r.WriteRSTStream(id, xhttp2.ErrCodeCancel)
			id += 2
		}
	}
	for range most {
		r.get(id)
		id += 2
	}
	r.get(id)
	r.reset(id, RefusedStream)
	waitFor(t, func() bool { return handled.Load() >= most })
	if n := handled.Load(); n != most {
		t.Errorf("%d handlers at once, want %d", n, most)
	}
	close(release)
	waited := make(map[uint32]bool) // those that it still waits for, in whatever order
	for n := range uint32(most) {
		waited[id-2*(most-n)] = true
	}
	for len(waited) > 0 {
		f := until(r, func(f *xhttp2.MetaHeadersFrame) bool { return waited[f.StreamID] })
		delete(waited, f.StreamID)
	}
	if n, p := handled.Load(), peak.Load(); n != 2*most || p > most {
		t.Errorf("%d were handled, up to %d at once; want the %d that were waited for and the first %d", n, p, most, most)
	}
	r.get(id + 2)
	r.status(id + 2)
}

// C12: a client that does not read is waited for, and little is held for it.
func TestSlowReader(t *testing.T) {
	wrote := make(chan int, 1000)
	cut := make(chan *ServerStream, 1)
	address := serve(t, ServerOptions{}, func(s *ServerStream) {
		cut <- s
		if s.Respond(&message.Response{Status: 200, Length: message.Unknown}, false) != nil {
			return
		}
		for s.WriteBody(make([]byte, 1000)) == nil {
			wrote <- 1000
		}
		close(wrote)
	})
	r := rawClient(t, address)
	r.get(1)
	r.status(1)
	got := 0
	for got < initialWindow {
		got += len(until[*xhttp2.DataFrame](r, nil).Data())
	}
	r.alive() // so it is the window that it waits for
	if got != initialWindow {
		t.Errorf("%d bytes into a window of %d", got, initialWindow)
	}
	_ = r.WriteWindowUpdate(1, 10)
	_ = r.WriteWindowUpdate(0, 10)
	if f := until[*xhttp2.DataFrame](r, nil); len(f.Data()) != 10 {
		t.Errorf("%d bytes into a window of 10", len(f.Data()))
	}
	_ = r.WriteWindowUpdate(1, 10) // that of the connection counts as well
	if r.alive(); r.held > 0 {
		t.Errorf("%d bytes into a window of none", r.held)
	}
	_ = r.WriteWindowUpdate(0, 10)
	if f := until[*xhttp2.DataFrame](r, nil); len(f.Data()) != 10 {
		t.Errorf("%d bytes into a window of 10", len(f.Data()))
	}
	(<-cut).Cut()
	n := 0
	for by := range wrote {
		n += by
	}
	if n > initialWindow+20+1000 {
		t.Errorf("%d bytes were taken from the handler", n)
	}
	r.reset(1, InternalError)
}

// The windows of streams that are open follow the peer's settings, below zero
// as well (RFC 9113 section 6.9.2).
func TestWindowShrinks(t *testing.T) {
	more := make(chan struct{})
	address := serve(t, ServerOptions{}, func(s *ServerStream) {
		_ = s.Respond(&message.Response{Status: 200, Length: message.Unknown}, false)
		_ = s.WriteBody(make([]byte, 1000))
		_ = s.Flush()
		<-more
		_ = s.WriteBody(make([]byte, 500))
		_ = s.Finish(nil)
	})
	r := rawClient(t, address, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1000})
	r.get(1)
	if f := until[*xhttp2.DataFrame](r, nil); len(f.Data()) != 1000 {
		t.Fatalf("%d bytes", len(f.Data()))
	}
	_ = r.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 700})
	until(r, (*xhttp2.SettingsFrame).IsAck)
	close(more)
	_ = r.WriteWindowUpdate(1, 300) // back to 0
	if r.alive(); r.held > 0 {
		t.Errorf("%d bytes into a window of none", r.held)
	}
	_ = r.WriteWindowUpdate(1, 500)
	if f := until[*xhttp2.DataFrame](r, nil); len(f.Data()) != 500 {
		t.Errorf("%d bytes", len(f.Data()))
	}
}

// All streams together are held back by the connection's window.
func TestConnectionWindow(t *testing.T) {
	address := serve(t, ServerOptions{}, func(s *ServerStream) {
		_ = s.Respond(&message.Response{Status: 200, Length: message.Unknown}, false)
		_ = s.WriteBody(make([]byte, initialWindow))
		_ = s.Finish(nil)
	})
	r := rawClient(t, address)
	r.get(1)
	r.status(1)
	for got := 0; got < initialWindow; {
		got += len(until[*xhttp2.DataFrame](r, nil).Data())
	}
	r.get(3)
	r.status(3)
	if r.alive(); r.held > 0 {
		t.Errorf("%d bytes into a window of none", r.held)
	}
	_ = r.WriteWindowUpdate(0, 7)
	if f := until[*xhttp2.DataFrame](r, nil); len(f.Data()) != 7 {
		t.Errorf("%d bytes into a window of 7", len(f.Data()))
	}
	_ = r.WriteWindowUpdate(3, maxWindow-initialWindow)
	_ = r.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: maxWindow})
	r.away(FlowControlError)
}

// What a peer may send is bounded too, and given back as it is taken.
func TestReceiveWindow(t *testing.T) {
	take := make(chan bool)
	address := serve(t, ServerOptions{}, func(s *ServerStream) {
		for <-take {
			if _, err := s.NextBody(); err != nil {
				return
			}
		}
	})
	r := rawClient(t, address)
	r.post(1)
	for range 4 {
		_ = r.WriteData(1, false, make([]byte, 16000))
	}
	r.alive()
	for range 4 {
		take <- true
	}
	f := until(r, func(f *xhttp2.WindowUpdateFrame) bool { return f.StreamID == 1 })
	if f.Increment < initialWindow/2 || f.Increment > 64000 {
		t.Errorf("%d bytes are given back", f.Increment)
	}
	r.post(3)
	for range 5 {
		_ = r.WriteData(3, false, make([]byte, 16000))
	}
	r.reset(3, FlowControlError)
	close(take)
	r.reset(1, InternalError)
}

// C1: a client that takes its time is not waited for without end.
func TestSlowClients(t *testing.T) {
	address := serve(t, ServerOptions{Header: 50 * time.Millisecond}, ok)
	hello := slices.Clip(appendSettings([]byte(Preface)))
	half := slices.Clip(appendFrame(hello, 100, kindHeaders, flagEndHeaders, 1))
	for name, begin := range map[string][]byte{
		"nothing":          nil,
		"half a preface":   hello[:10],
		"no SETTINGS":      hello[:len(Preface)],
		"half a frame":     half[:len(half)-3],
		"half a head":      append(half, 0x82),
		"no CONTINUATION":  append(appendFrame(hello, 1, kindHeaders, 0, 1), 0x82),
		"after some frame": append(appendPing(hello, 0, healthPing), half...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := rawDial(t, address)
			if _, err := c.net.Write(begin); err != nil {
				t.Fatal(err)
			}
			c.closed()
		})
	}
}

// A connection that carries nothing is closed in order, after it has rested.
func TestIdle(t *testing.T) {
	address := serve(t, ServerOptions{Idle: 100 * time.Millisecond}, ok)
	r := rawClient(t, address)
	r.get(1)
	r.status(1)
	f := until(r, func(*xhttp2.GoAwayFrame) bool { return true })
	if f.ErrCode != xhttp2.ErrCodeNo || f.LastStreamID != 1 {
		t.Errorf("%v", f)
	}
	r.closed()
}

// A connection at rest has given up what it held, and serves on as before.
func TestRest(t *testing.T) {
	l := listen(t)
	defer l.Close()
	client := rawDial(t, l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	v := NewServer(c, nil, ServerOptions{Header: 20 * time.Millisecond}, ok)
	ended := make(chan error)
	go func() { ended <- v.Serve() }()
	_, _ = client.net.Write([]byte(Preface))
	_ = client.WriteSettings()
	for id := uint32(1); id < 7; id += 2 {
		client.get(id, "x", string(bytes.Repeat([]byte("x"), 1000))) // more than the small room
		client.status(id)
		waitFor(t, func() bool {
			v.mu.Lock()
			defer v.mu.Unlock()
			return v.watch.resting && !v.watch.nudged && v.free == nil
		})
	}
	client.net.Close()
	<-ended
}

// A client that does not read at all is given up.
func TestStall(t *testing.T) {
	c, s := pipe(t)
	ended := make(chan error, 1)
	go func() { ended <- NewServer(s, nil, ServerOptions{Stall: 50 * time.Millisecond}, ok).Serve() }()
	_, _ = c.Write(appendSettings([]byte(Preface)))
	if err := <-ended; err == nil {
		t.Error("it ended in order")
	}
}
