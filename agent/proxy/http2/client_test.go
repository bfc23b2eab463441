package http2

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

func get() *message.Request {
	return &message.Request{Method: []byte("GET"), Target: []byte("/"), Authority: []byte("here")}
}

func post() *message.Request {
	return &message.Request{Method: []byte("POST"), Target: []byte("/"), Authority: []byte("here"), Length: message.Unknown}
}

// open sends a request whose stream is the one expected.
func open(t testing.TB, c *Client, r *message.Request) *ClientStream {
	t.Helper()
	s, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Release)
	if err := s.Send(r, nil, r.Length == 0); err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads an answer to its end.
func read(s *ClientStream) (r message.Response, body string, err error) {
	for r.Status < 200 && r.Status != 101 {
		r.Reset()
		if err = s.ReadHead(&r); err != nil {
			return r, "", err
		}
	}
	for err == nil {
		var p []byte
		p, err = s.NextBody()
		body += string(p)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return r, body, err
}

func TestRequestIsWritten(t *testing.T) {
	r, c := rawServer(t, ClientOptions{TLS: true})
	q := post()
	q.Method, q.Target, q.Length, q.Expect = []byte("PUT"), []byte("/a?b"), 3, true
	for _, f := range [][2]string{
		{"Accept", "*/*"}, {"X-ONE", "1"}, {"connection", "x-one"}, {"Transfer-Encoding", "chunked"}, {"Host", "there"},
		{"te", "trailers"}, {"te", "gzip"}, {"Content-Length", "9"}, {"Authorization", "secret"}, {"x-long", strings.Repeat("y", 40000)},
	} {
		q.Header.AddNamed(f[0], f[1])
	}
	for range 3 { // by then what repeats is in the table
		s := open(t, c, q)
		f := until[*xhttp2.MetaHeadersFrame](r, nil)
		got := ""
		for _, h := range f.Fields {
			got += h.Name + ": " + strings.Replace(h.Value, strings.Repeat("y", 40000), "Y", 1) + "|"
			if (h.Name == "authorization") != h.Sensitive {
				t.Errorf("%s may be indexed: %v", h.Name, !h.Sensitive)
			}
		}
		if want := ":method: PUT|:scheme: https|:authority: here|:path: /a?b|content-length: 3|expect: 100-continue|accept: */*|x-one: 1|te: trailers|authorization: secret|x-long: Y|"; got != want {
			t.Errorf("%s", got)
		}
		if err := s.SendBody([]byte("abc")); err != nil {
			t.Error(err)
		}
		var trailer message.Header
		trailer.AddNamed("X-Sum", "3")
		if err := s.FinishBody(&trailer); err != nil {
			t.Error(err)
		}
		if d := until[*xhttp2.DataFrame](r, nil); string(d.Data()) != "abc" || d.StreamEnded() {
			t.Errorf("%v", d)
		}
		if f := until[*xhttp2.MetaHeadersFrame](r, nil); !f.StreamEnded() || len(f.Fields) != 1 || f.Fields[0].Name != "x-sum" {
			t.Errorf("%v", f)
		}
	}
}

func TestAnswers(t *testing.T) {
	r, c := rawServer(t, ClientOptions{})
	id := uint32(1)
	for name, a := range map[string]struct {
		method string
		head   []string
		end    bool
		body   string
		length int64
		wrong  bool
	}{
		"plain":                {"GET", []string{":status", "200", "content-length", "2"}, false, "hi", 2, false},
		"unknown length":       {"GET", []string{":status", "200"}, false, "hi", message.Unknown, false},
		"none":                 {"GET", []string{":status", "204"}, true, "", 0, false},
		"length 0":             {"GET", []string{":status", "200", "content-length", "0"}, true, "", 0, false},
		"HEAD":                 {"HEAD", []string{":status", "200", "content-length", "9"}, true, "", 0, false},
		"HEAD, later end":      {"HEAD", []string{":status", "200", "content-length", "9"}, false, "", 0, false},
		"304":                  {"GET", []string{":status", "304", "content-length", "9"}, true, "", 0, false},
		"short":                {"GET", []string{":status", "200", "content-length", "3"}, false, "hi", 3, true},
		"long":                 {"GET", []string{":status", "200", "content-length", "1"}, false, "hi", 1, true},
		"a body for HEAD":      {"HEAD", []string{":status", "200"}, false, "hi", 0, true},
		"a body for 204":       {"GET", []string{":status", "204"}, false, "hi", 0, true},
		"length without body":  {"GET", []string{":status", "200", "content-length", "3"}, true, "", 0, true},
		"101":                  {"GET", []string{":status", "101"}, false, "", 0, true},
		"DATA before the head": {"GET", nil, false, "hi", 0, true},
		"the last is interim":  {"GET", []string{":status", "103"}, true, "", 0, true},
		"no status":            {"GET", []string{"x", "y"}, true, "", 0, true},
		"two":                  {"GET", []string{":status", "200", ":status", "200"}, true, "", 0, true},
		"letters":              {"GET", []string{":status", "2xx"}, true, "", 0, true},
		"too large":            {"GET", []string{":status", "1000"}, true, "", 0, true},
		"method":               {"GET", []string{":status", "200", ":method", "GET"}, true, "", 0, true},
		"upper case":           {"GET", []string{":status", "200", "X", "y"}, true, "", 0, true},
		"a line in a value":    {"GET", []string{":status", "200", "x", "y\r\nz"}, true, "", 0, true},
		"connection":           {"GET", []string{":status", "200", "connection", "close"}, true, "", 0, true},
		"more than 64 KiB":     {"GET", []string{":status", "200", "x", strings.Repeat("~", 1000), "y", strings.Repeat("~", 65000)}, true, "", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			q := get()
			q.Method = []byte(a.method)
			s := open(t, c, q)
			if a.head != nil {
				r.split(id, a.end, a.head...)
			}
			if !a.end {
				_ = r.WriteData(id, true, []byte(a.body))
			}
			got, body, err := read(s)
			if a.wrong {
				if _, is := errors.AsType[*Error](err); !is || got.Status == 101 {
					t.Errorf("%+v, %q, %v", got, body, err)
				}
				r.reset(id, ProtocolError)
			} else if err != nil || body != a.body || got.Length != a.length || got.Major != 2 {
				t.Errorf("%+v, %q, %v", got, body, err)
			}
			if declared := got.Declared; !a.wrong && (declared == 9) != (len(a.head) > 3 && a.head[3] == "9") {
				t.Errorf("declared %d", declared)
			}
			s.Release()
			id += 2
		})
	}
}

// split writes a head in as many frames as it takes.
func (r *raw) split(id uint32, end bool, fields ...string) {
	b := r.block(fields...)
	n := min(len(b), maxFrame)
	_ = r.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b)})
	for b = b[n:]; len(b) > 0; b = b[n:] {
		n = min(len(b), maxFrame)
		_ = r.WriteContinuation(id, n == len(b), b[:n])
	}
}

// B13: interim answers come one by one, and not without end.
func TestInterimAnswers(t *testing.T) {
	r, c := rawServer(t, ClientOptions{})
	s := open(t, c, get())
	r.head(1, false, ":status", "103", "link", "</a>")
	r.head(1, false, ":status", "103", "link", "</b>")
	r.head(1, false, ":status", "200", "x", "y")
	_ = r.WriteData(1, false, []byte("hi"))
	r.head(1, true, "x-sum", "2")
	for _, want := range []string{"</a>", "</b>"} {
		var a message.Response
		if err := s.ReadHead(&a); err != nil || a.Status != 103 || string(a.Header.GetNamed("link")) != want {
			t.Errorf("%v, %+v", err, a)
		}
	}
	a, body, err := read(s)
	if err != nil || a.Status != 200 || body != "hi" || string(a.Header.GetNamed("x")) != "y" || string(a.Trailer.GetNamed("x-sum")) != "2" {
		t.Errorf("%v, %+v, %q", err, a, body)
	}
	s = open(t, c, get())
	for range maxHeads + 1 {
		r.head(3, false, ":status", "103")
	}
	r.reset(3, ProtocolError)
	if _, _, err := read(s); err == nil {
		t.Error("they are taken without end")
	}
}

// B16: what the backend did not look at can go elsewhere, and what it did ends.
func TestGoAway(t *testing.T) {
	r, c := rawServer(t, ClientOptions{})
	var streams []*ClientStream
	for range 3 {
		streams = append(streams, open(t, c, get()))
	}
	reserved, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.WriteGoAway(maxStreamID, xhttp2.ErrCodeNo, nil)
	_ = r.WriteGoAway(3, xhttp2.ErrCodeNo, nil)
	if _, _, err := read(streams[2]); !errors.Is(err, ErrUnprocessed) || !streams[2].Unsent() {
		t.Errorf("%v, unsent: %v", err, streams[2].Unsent())
	}
	if err := reserved.Send(get(), nil, true); !errors.Is(err, ErrUnprocessed) || !reserved.Unsent() {
		t.Errorf("%v, unsent: %v", err, reserved.Unsent())
	}
	reserved.Release()
	if _, err := c.Open(); !errors.Is(err, ErrClosed) || c.CanTake() || c.Alive() {
		t.Errorf("it takes more: %v", err)
	}
	for i, s := range streams[:2] {
		r.head(uint32(2*i+1), true, ":status", "200")
		if a, _, err := read(s); err != nil || a.Status != 200 || s.Unsent() {
			t.Errorf("%+v, %v", a, err)
		}
	}
	for _, s := range streams {
		s.Release()
	}
	<-c.Done() // there is nothing left that it could be good for
}

func TestUnsent(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		r, c := rawServer(t, ClientOptions{})
		s := open(t, c, get())
		_ = r.WriteRSTStream(1, xhttp2.ErrCodeRefusedStream)
		if _, _, err := read(s); err == nil || !s.Unsent() {
			t.Errorf("%v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		r, c := rawServer(t, ClientOptions{})
		s := open(t, c, get())
		_ = r.WriteRSTStream(1, xhttp2.ErrCodeCancel)
		if _, _, err := read(s); err == nil || s.Unsent() {
			t.Errorf("%v", err)
		}
	})
	t.Run("refused after an answer", func(t *testing.T) {
		r, c := rawServer(t, ClientOptions{})
		s := open(t, c, get())
		r.head(1, false, ":status", "200")
		_ = r.WriteRSTStream(1, xhttp2.ErrCodeRefusedStream)
		if _, _, err := read(s); err == nil || s.Unsent() {
			t.Errorf("%v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		r, c := rawServer(t, ClientOptions{})
		s := open(t, c, get())
		r.alive()
		r.net.Close()
		if _, _, err := read(s); err == nil || s.Unsent() {
			t.Errorf("%v", err)
		}
	})
	t.Run("never written", func(t *testing.T) {
		near, far := pipe(t)
		c := NewClient(near, ClientOptions{})
		var some [10]byte
		_, _ = far.Read(some[:]) // of the preface, and no more
		s := open(t, c, get())
		far.Close()
		if _, _, err := read(s); err == nil || !s.Unsent() {
			t.Errorf("%v", err)
		}
		s.Release()
		<-c.Done()
	})
	t.Run("written in part", func(t *testing.T) {
		near, far := pipe(t)
		c := NewClient(near, ClientOptions{})
		hello := make([]byte, len(Preface)+2*frameHeaderLen+2*lengthOfSetting+lengthOfWindowUpdate)
		_, _ = far.Read(hello[:1])
		first, second := open(t, c, get()), open(t, c, get())
		_, _ = io.ReadFull(far, hello[1:])
		_, _ = io.ReadFull(far, make([]byte, frameHeaderLen+1))
		far.Close()
		if _, _, err := read(first); err == nil || first.Unsent() {
			t.Errorf("%v, of which a byte was written", err)
		}
		if _, _, err := read(second); err == nil || !second.Unsent() {
			t.Errorf("%v, of which none was", err)
		}
		first.Release()
		second.Release()
		<-c.Done()
	})
}

// The backend says how many streams it takes, none included.
func TestMaxConcurrentStreams(t *testing.T) {
	r, c := rawServer(t, ClientOptions{}, xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 1})
	until(r, (*xhttp2.SettingsFrame).IsAck)
	s := open(t, c, get())
	if _, err := c.Open(); !errors.Is(err, ErrFull) || c.CanTake() || !c.Alive() || c.Idle() {
		t.Errorf("%v", err)
	}
	r.head(1, true, ":status", "200")
	_, _, _ = read(s)
	s.Release()
	if !c.CanTake() || !c.Idle() || c.LastUsed().IsZero() {
		t.Error("it is not free again")
	}
	_ = r.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 0})
	until(r, (*xhttp2.SettingsFrame).IsAck)
	if _, err := c.Open(); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
}

// B16: no settings make a client spin, or do what it must not
// (GO-2026-4918).
func TestHostileBackends(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(r *raw)
		code Code
	}{
		"frame size 0": {func(r *raw) { _ = r.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxFrameSize, Val: 0}) }, ProtocolError},
		"push":         {func(r *raw) { _ = r.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingEnablePush, Val: 1}) }, ProtocolError},
		"window":       {func(r *raw) { _ = r.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 31}) }, FlowControlError},
		"PUSH_PROMISE": {func(r *raw) {
			_ = r.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 2, EndHeaders: true})
		}, ProtocolError},
		"stream 2":      {func(r *raw) { r.head(2, true, ":status", "200") }, ProtocolError},
		"not opened":    {func(r *raw) { r.head(9, true, ":status", "200") }, ProtocolError},
		"a large frame": {func(r *raw) { _ = r.WriteData(1, false, make([]byte, maxFrame+1)) }, FrameSizeError},
		"HPACK": {func(r *raw) {
			_ = r.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true})
		}, CompressionError},
		"connection window": {func(r *raw) { _ = r.WriteWindowUpdate(0, maxWindow) }, FlowControlError},
		"WINDOW_UPDATE 0":   {func(r *raw) { _ = r.WriteWindowUpdate(0, 0) }, ProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			r, client := rawServer(t, ClientOptions{})
			s := open(t, client, get())
			until[*xhttp2.MetaHeadersFrame](r, nil)
			c.do(r)
			r.away(c.code)
			if _, _, err := read(s); err == nil {
				t.Error("the stream goes on")
			}
			r.net.Close()
			<-client.Done()
			if _, err := client.Open(); !errors.Is(err, ErrClosed) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A window of nothing holds the body back, and no more than that.
func TestZeroWindow(t *testing.T) {
	r, c := rawServer(t, ClientOptions{}, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0})
	until(r, (*xhttp2.SettingsFrame).IsAck)
	s, _ := c.Open()
	sent := make(chan error)
	go func() { sent <- s.Send(post(), []byte("hello"), true) }()
	until[*xhttp2.MetaHeadersFrame](r, nil)
	_ = r.WriteWindowUpdate(1, 2)
	if f := until[*xhttp2.DataFrame](r, nil); string(f.Data()) != "he" || f.StreamEnded() {
		t.Errorf("%q", f.Data())
	}
	_ = r.WriteWindowUpdate(1, 10)
	if f := until[*xhttp2.DataFrame](r, nil); string(f.Data()) != "llo" || !f.StreamEnded() {
		t.Errorf("%q", f.Data())
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	s.Release()
	r.reset(1, Cancel)
}

// An early answer is read, though the rest of the request is unwanted.
func TestEarlyAnswerOfBackend(t *testing.T) {
	r, c := rawServer(t, ClientOptions{})
	s := open(t, c, post())
	r.head(1, false, ":status", "413")
	_ = r.WriteData(1, true, []byte("no"))
	_ = r.WriteRSTStream(1, xhttp2.ErrCodeNo)
	r.alive()
	if err := s.SendBody([]byte("more")); err == nil {
		t.Error("it takes more")
	}
	if a, body, err := read(s); err != nil || a.Status != 413 || body != "no" {
		t.Errorf("%+v, %q, %v", a, body, err)
	}
}

func TestInterrupt(t *testing.T) {
	for name, wait := range map[string]func(*ClientStream) error{
		"head": func(s *ClientStream) error { return s.ReadHead(new(message.Response)) },
		"send": func(s *ClientStream) error { return s.SendBody(make([]byte, 100000)) },
		"body": func(s *ClientStream) error {
			var a message.Response
			_ = s.ReadHead(&a)
			_, _ = s.NextBody()
			_, err := s.NextBody()
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, c := rawServer(t, ClientOptions{})
			s := open(t, c, post())
			if name == "body" {
				r.head(1, false, ":status", "200")
				_ = r.WriteData(1, false, []byte("x"))
			}
			got := make(chan error)
			go func() { got <- wait(s) }()
			r.alive()
			s.Interrupt()
			if err := <-got; !errors.Is(err, ErrInterrupted) {
				t.Errorf("%v", err)
			}
			s.Release()
			r.reset(1, Cancel)
		})
	}
}

// A backend that says nothing while someone waits is asked whether it is there.
func TestPing(t *testing.T) {
	l, c := rawServer(t, ClientOptions{Ping: 40 * time.Millisecond, PingTimeout: 40 * time.Millisecond})
	s := open(t, c, get())
	for range 3 {
		f := until(l, func(f *xhttp2.PingFrame) bool { return !f.IsAck() })
		_ = l.WritePing(true, f.Data)
	}
	until(l, func(f *xhttp2.PingFrame) bool { return !f.IsAck() })
	if _, _, err := read(s); err == nil {
		t.Error("the dead answer")
	}
	<-c.Done()
}

// A connection that was at rest is as good as before.
func TestClientRests(t *testing.T) {
	r, c := rawServer(t, ClientOptions{Stall: 20 * time.Millisecond})
	for id := uint32(1); id < 7; id += 2 {
		s := open(t, c, get())
		r.head(id, true, ":status", "200", "x", strings.Repeat("x", 1000))
		if a, _, err := read(s); err != nil || a.Status != 200 {
			t.Fatalf("%+v, %v", a, err)
		}
		s.Release()
		if s.Reused() != (id > 1) && id == 1 {
			t.Error("it is said to have been used before")
		}
		waitFor(t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.watch.resting && !c.watch.nudged && c.free == nil
		})
	}
}
