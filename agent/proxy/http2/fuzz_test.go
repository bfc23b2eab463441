package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// frames are some to begin a corpus with.
func frames(f *testing.F, add func(b []byte)) {
	f.Helper()
	var heads raw
	r := &heads
	r.hpack = hpack.NewEncoder(&r.heads)
	write := func(do func(w *xhttp2.Framer)) []byte {
		var b bytes.Buffer
		w := xhttp2.NewFramer(&b, nil)
		w.AllowIllegalWrites = true
		do(w)
		return b.Bytes()
	}
	head := func(w *xhttp2.Framer, id uint32, end bool, fields ...string) {
		_ = w.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: r.block(fields...), EndHeaders: true, EndStream: end})
	}
	for _, do := range []func(w *xhttp2.Framer){
		func(w *xhttp2.Framer) { head(w, 1, true, request("GET")...) },
		func(w *xhttp2.Framer) {
			head(w, 1, false, request("POST", "cookie", "a", "cookie", "b", "content-length", "5")...)
			_ = w.WriteDataPadded(1, false, []byte("hello"), make([]byte, 10))
			head(w, 1, true, "x-sum", "5")
		},
		func(w *xhttp2.Framer) {
			head(w, 1, true, ":status", "103")
			head(w, 1, false, ":status", "200", "content-length", "2")
			_ = w.WriteData(1, true, []byte("hi"))
			head(w, 3, true, ":status", "204")
		},
		func(w *xhttp2.Framer) {
			_ = w.WriteSettings(xhttp2.Setting{ID: 1, Val: 0}, xhttp2.Setting{ID: 3, Val: 1}, xhttp2.Setting{ID: 4, Val: 5}, xhttp2.Setting{ID: 5, Val: 20000})
			_ = w.WriteSettingsAck()
			_ = w.WritePing(false, [8]byte{})
			_ = w.WriteWindowUpdate(0, 5)
			_ = w.WriteWindowUpdate(1, 5)
			_ = w.WriteRSTStream(1, 8)
			_ = w.WriteGoAway(1, 0, nil)
			_ = w.WritePriority(3, xhttp2.PriorityParam{StreamDep: 1})
			_ = w.WriteRawFrame(77, 1, 1, []byte("x"))
		},
		func(w *xhttp2.Framer) {
			b := r.block(request("GET", "x", "y")...)
			_ = w.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:5], EndStream: true, PadLength: 3, Priority: xhttp2.PriorityParam{Weight: 1}})
			_ = w.WriteContinuation(1, false, b[5:6])
			_ = w.WriteContinuation(1, true, b[6:])
		},
	} {
		r.heads.Reset()
		r.hpack = hpack.NewEncoder(&r.heads)
		add(write(do))
	}
}

// feed has a peer send bytes and read what comes back, until both are done.
func feed(c net.Conn, ahead, b []byte) {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, c)
	}()
	_, _ = c.Write(ahead)
	_, _ = c.Write(b)
	c.Close()
	<-done
}

// ended fails the test where what was begun does not end.
func ended(t *testing.T, what <-chan struct{}) {
	t.Helper()
	select {
	case <-what:
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs")
	}
}

// Whatever a client sends, a server neither panics nor hangs nor leaves
// something behind, and its handlers see what is well-formed alone.
func FuzzServerFrames(f *testing.F) {
	frames(f, func(b []byte) { f.Add(b, true); f.Add(b, false) })
	hello := appendSettings([]byte(Preface))
	f.Fuzz(func(t *testing.T, b []byte, polite bool) {
		near, far := net.Pipe()
		v := NewServer(far, nil, ServerOptions{MaxStreams: 3, MaxHeaderBytes: 1000}, func(s *ServerStream) {
			q := s.Request()
			if !validToken(q.Method) || !validTarget(q) || !validAuthority(q.Authority) {
				t.Errorf("%q %q %q", q.Method, q.Target, q.Authority)
			}
			n, err := 0, error(nil)
			for err == nil {
				var p []byte
				p, err = s.NextBody()
				n += len(p)
			}
			if q.Length > 0 && errors.Is(err, io.EOF) && int64(n) != q.Length {
				t.Errorf("%d bytes of %d", n, q.Length)
			}
			if err = s.Respond(&message.Response{Status: 200, Length: message.Unknown}, false); err == nil {
				_ = s.WriteBody(make([]byte, 100))
				_ = s.Finish(nil)
			}
		})
		done := make(chan struct{})
		go func() { defer close(done); _ = v.Serve() }()
		ahead := []byte(Preface)
		if polite {
			ahead = hello
		}
		feed(near, ahead, b)
		ended(t, done)
	})
}

// Whatever a backend sends, a client neither panics nor hangs nor leaves
// something behind.
func FuzzClientFrames(f *testing.F) {
	frames(f, func(b []byte) { f.Add(b, true); f.Add(b, false) })
	f.Fuzz(func(t *testing.T, b []byte, polite bool) {
		near, far := net.Pipe()
		c := NewClient(far, ClientOptions{MaxHeaderBytes: 1000})
		done := make(chan struct{})
		for _, q := range []*message.Request{get(), post()} {
			s, err := c.Open()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				defer func() { done <- struct{}{} }()
				defer s.Release()
				if s.Send(q, nil, q.Length == 0) == nil && q.Length != 0 {
					_ = s.SendBody(make([]byte, 10))
					_ = s.FinishBody(nil)
				}
				r, body, err := read(s)
				if err == nil && r.Length >= 0 && int64(len(body)) != r.Length {
					t.Errorf("%d bytes of %d", len(body), r.Length)
				}
			}()
		}
		var ahead []byte
		if polite {
			ahead = appendSettings(nil)
		}
		feed(near, ahead, b)
		for range 2 {
			ended(t, done)
		}
		c.Close()
		ended(t, c.Done())
	})
}

// Frames are cut where another reader cuts them, and mean the same to it.
func FuzzCut(f *testing.F) {
	frames(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		theirs := xhttp2.NewFramer(io.Discard, bytes.NewReader(b))
		theirs.AllowIllegalReads = true
		for {
			ours, size := cut(b)
			want, err := theirs.ReadFrame()
			if size > len(b) {
				if err == nil {
					t.Fatalf("no frame where %v is", want)
				}
				return
			}
			b = b[size:]
			if err != nil {
				if errors.As(err, new(xhttp2.StreamError)) {
					continue
				}
				return
			}
			h := want.Header()
			if ours.kind != kind(h.Type) || ours.flags != uint8(h.Flags) || ours.stream != h.StreamID || len(ours.payload) != int(h.Length) {
				t.Fatalf("%+v, want %v", ours, h)
			}
			switch want := want.(type) {
			case *xhttp2.DataFrame:
				if err := ours.unpad(); err != nil || !bytes.Equal(ours.payload, want.Data()) {
					t.Fatalf("%v, %q, want %q", err, ours.payload, want.Data())
				}
			case *xhttp2.HeadersFrame:
				itself := ours.dependsOnItself()
				if err := ours.unpad(); err != nil || !bytes.Equal(ours.payload, want.HeaderBlockFragment()) {
					t.Fatalf("%v, %q, want %q", err, ours.payload, want.HeaderBlockFragment())
				}
				if itself != (want.HasPriority() && want.Priority.StreamDep == want.StreamID) {
					t.Fatalf("depends on itself: %v", itself)
				}
			}
		}
	})
}
