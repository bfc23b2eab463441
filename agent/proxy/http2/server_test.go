package http2

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// ok answers at once, whatever is asked.
func ok(s *ServerStream) {
	_ = s.Respond(&message.Response{Status: 204, Declared: message.Unknown}, true)
}

// seen is what a handler got to see of a request.
type seen struct {
	text string
	body string
	err  error
}

// look answers ok, and reports what it sees.
func look(to chan seen) func(*ServerStream) {
	return func(s *ServerStream) {
		r := s.Request()
		var b strings.Builder
		b.WriteString(string(r.Method) + " " + string(r.Authority) + " " + string(r.Target))
		for f := range r.Header.All() {
			b.WriteString("|" + string(f.Name) + ": " + string(f.Value))
		}
		at := seen{text: b.String()}
		for at.err == nil {
			var p []byte
			p, at.err = s.NextBody()
			at.body += string(p)
		}
		for f := range r.Trailer.All() {
			at.text += "|" + string(f.Name) + "; " + string(f.Value)
		}
		if errors.Is(at.err, io.EOF) {
			at.err = nil
		}
		to <- at
		ok(s)
	}
}

func TestRequestHead(t *testing.T) {
	saw := make(chan seen, 1)
	address := serve(t, ServerOptions{}, look(saw))
	for name, c := range map[string]struct {
		fields []string
		want   string
	}{
		"plain":             {[]string{":method", "GET", ":scheme", "http", ":authority", "here:80", ":path", "/a?b"}, "GET here:80 /a?b"},
		"fields":            {request("GET", "accept", "*/*", "x-one", "1", "user-agent", "me"), "GET here /|accept: */*|x-one: 1|user-agent: me"},
		"host":              {[]string{":method", "GET", ":scheme", "http", ":path", "/", "host", "there"}, "GET there /"},
		"host and the same": {request("GET", "host", "HERE"), "GET here /"},
		"no host":           {[]string{":method", "GET", ":scheme", "http", ":path", "/"}, "GET  /"},
		"cookies":           {request("GET", "cookie", "a=1", "x", "y", "cookie", "b=2", "cookie", "c=3"), "GET here /|cookie: a=1; b=2; c=3|x: y"},
		"asterisk":          {[]string{":method", "OPTIONS", ":scheme", "http", ":path", "*"}, "OPTIONS  *"},
		"te":                {request("GET", "te", "trailers"), "GET here /|te: trailers"},
		"bytes":             {request("GET", "x", "a\x80\xff\tb"), "GET here /|x: a\x80\xff\tb"},
		"empty value":       {request("GET", "x", ""), "GET here /|x: "},
		"settings":          {request("GET", "http2-settings", "AAA"), "GET here /"},
	} {
		t.Run(name, func(t *testing.T) {
			r := rawClient(t, address)
			r.head(1, true, c.fields...)
			if got := <-saw; got.text != c.want || got.err != nil {
				t.Errorf("%q, %v", got.text, got.err)
			}
			if status := r.status(1); status != "204" {
				t.Errorf("status %s", status)
			}
		})
	}
}

// What HTTP/1.1 could take for something else, or that contradicts itself, gets
// to no handler (RFC 9113 sections 8.2 and 8.3), and the connection goes on.
func TestMalformedRequests(t *testing.T) {
	var handled atomic.Int32
	address := serve(t, ServerOptions{}, func(s *ServerStream) { handled.Add(1); ok(s) })
	without := func(name string) (fields []string) {
		for all := request("GET"); len(all) > 0; all = all[2:] {
			if all[0] != name {
				fields = append(fields, all[:2]...)
			}
		}
		return fields
	}
	with := func(name, value string) []string { return append(without(name), name, value) }
	cases := map[string][]string{
		"no method":            without(":method"),
		"no scheme":            without(":scheme"),
		"no path":              without(":path"),
		"empty method":         with(":method", ""),
		"method with a space":  with(":method", "GET /x HTTP/1.1\r\n"),
		"empty scheme":         with(":scheme", ""),
		"empty path":           with(":path", ""),
		"path without a slash": with(":path", "a"),
		"path of a URL":        with(":path", "http://there/"),
		"asterisk with GET":    with(":path", "*"),
		"path with a space":    with(":path", "/a HTTP/1.1"),
		"path with a line":     with(":path", "/a\r\nx: y"),
		"path with a fragment": with(":path", "/a#b"),
		"path with DEL":        with(":path", "/a\x7f"),
		"authority with user":  with(":authority", "me@here"),
		"authority with path":  with(":authority", "here/x"),
		"authority of space":   with(":authority", "he re"),
		"host differs":         request("GET", "host", "there"),
		"host twice":           append(without(":authority"), "host", "here", "host", "here"),
		"method twice":         append([]string{":method", "GET"}, request("GET")...),
		"unknown pseudo":       append([]string{":x", "y"}, request("GET")...),
		"status":               append([]string{":status", "200"}, request("GET")...),
		"late pseudo":          append([]string{"x", "y"}, request("GET")...),
		"protocol with GET":    append([]string{":protocol", "websocket"}, request("GET")...),
		"upper case":           request("GET", "X-One", "1"),
		"empty name":           request("GET", "", "1"),
		"name with a space":    request("GET", "a b", "1"),
		"name with a colon":    request("GET", "a:", "1"),
		"name with a line":     request("GET", "a\r\nb", "1"),
		"value with CR":        request("GET", "a", "1\r2"),
		"value with LF":        request("GET", "a", "1\n2"),
		"value with NUL":       request("GET", "a", "1\x002"),
		"value with ESC":       request("GET", "a", "1\x1b2"),
		"value begins blank":   request("GET", "a", " 1"),
		"value ends blank":     request("GET", "a", "1\t"),
		"connection":           request("GET", "connection", "close"),
		"keep-alive":           request("GET", "keep-alive", "1"),
		"proxy-connection":     request("GET", "proxy-connection", "close"),
		"transfer-encoding":    request("GET", "transfer-encoding", "chunked"),
		"upgrade":              request("GET", "upgrade", "h2c"),
		"te":                   request("GET", "te", "gzip"),
		"length of nothing":    request("GET", "content-length", "5"),
		"length signed":        request("GET", "content-length", "+0"),
		"length empty":         request("GET", "content-length", ""),
		"length twice":         request("GET", "content-length", "0", "content-length", "0"),
		"length list":          request("GET", "content-length", "0, 0"),
		"length huge":          request("GET", "content-length", "99999999999999999999"),
		"CONNECT with a path":  with(":method", "CONNECT"),
	}
	for name, fields := range cases {
		t.Run(name, func(t *testing.T) {
			r := rawClient(t, address)
			r.head(1, true, fields...)
			r.reset(1, ProtocolError)
			r.get(3)
			if status := r.status(3); status != "204" {
				t.Errorf("the next is answered %s", status)
			}
		})
	}
	if n := int(handled.Load()); n != len(cases) {
		t.Errorf("%d were handled, want the %d that are well-formed", n, len(cases))
	}
}

// C10: this is no proxy to go anywhere with.
func TestConnectIsRefused(t *testing.T) {
	address := serve(t, ServerOptions{}, func(*ServerStream) { t.Error("it was handled") })
	r := rawClient(t, address)
	r.head(1, false, ":method", "CONNECT", ":authority", "there:443")
	if status := r.status(1); status != "405" {
		t.Errorf("status %s", status)
	}
	r.reset(1, NoError)
	r.head(3, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "there")
	if status := r.status(3); status != "405" {
		t.Errorf("extended: status %s", status)
	}
}

// C4, C11: heads that are too large cost little and are answered.
func TestLargeHeads(t *testing.T) {
	refused := make(chan int, 10)
	address := serve(t, ServerOptions{Refuse: func(s *ServerStream, status int, why error) {
		refused <- status
		refuse(s, status, why)
	}}, ok)
	long := func(r *raw, id uint32, fields ...string) {
		block := append([]byte(nil), r.block(append(request("GET"), fields...)...)...)
		first := true
		for len(block) > 0 || first {
			n := min(len(block), maxFrame)
			if first {
				_ = r.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: block[:n], EndStream: true, EndHeaders: n == len(block)})
			} else {
				_ = r.WriteContinuation(id, n == len(block), block[:n])
			}
			block, first = block[n:], false
		}
	}
	t.Run("some", func(t *testing.T) {
		r := rawClient(t, address)
		long(r, 1, "x", strings.Repeat("é", 20<<10))
		if status := r.status(1); status != "204" {
			t.Errorf("40 KiB: status %s", status)
		}
		var many []string
		for range 10000 {
			many = append(many, "x", "")
		}
		long(r, 3, many...)
		if status := r.status(3); status != "431" || <-refused != 431 {
			t.Errorf("10,000 fields: status %s", status)
		}
		long(r, 5, "y", strings.Repeat("x", 70<<10))
		r.status(5)
	})
	t.Run("much", func(t *testing.T) {
		r := rawClient(t, address)
		go long(r, 1, "x", strings.Repeat("\x80", 1<<20))
		if status := r.status(1); status != "431" || <-refused != 431 {
			t.Errorf("1 MiB: status %s", status)
		}
		r.away(EnhanceYourCalm)
	})
	t.Run("without end", func(t *testing.T) {
		r := rawClient(t, address)
		go func() {
			_ = r.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(request("GET")...), EndStream: true})
			for r.WriteContinuation(1, false, bytes.Repeat([]byte("\x00\x01x\x01y"), 3000)) == nil {
			}
		}()
		if status := r.status(1); status != "431" || <-refused != 431 {
			t.Errorf("status %s", status)
		}
		r.away(EnhanceYourCalm)
	})
	t.Run("bomb", func(t *testing.T) { // of 4,000 bytes each, in a byte
		r := rawClient(t, address)
		long(r, 1, "x", strings.Repeat("\x80", 4000))
		if status := r.status(1); status != "204" {
			t.Errorf("status %s", status)
		}
		block := append(r.block(request("GET")...), []byte(strings.Repeat("\xbe", 10000))...)
		_ = r.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 3, BlockFragment: block, EndStream: true, EndHeaders: true})
		if status := r.status(3); status != "431" {
			t.Errorf("40 MB: status %s", status)
		}
		r.get(5)
		if status := r.status(5); status != "204" {
			t.Errorf("after it: status %s", status)
		}
	})
}

// A body comes to what was declared, or the request is no more (B12, from the
// other side).
func TestRequestBodyLengths(t *testing.T) {
	saw := make(chan seen, 1)
	address := serve(t, ServerOptions{}, look(saw))
	for name, c := range map[string]struct {
		length  string
		pieces  []string
		trailer bool
		bad     bool
	}{
		"right":             {"5", []string{"he", "llo"}, false, false},
		"right, trailers":   {"5", []string{"hello"}, true, false},
		"empty":             {"0", []string{""}, false, false},
		"short":             {"5", []string{"hell"}, false, true},
		"short, trailers":   {"5", []string{"hell"}, true, true},
		"long":              {"5", []string{"hello!"}, false, true},
		"something for 0":   {"0", []string{"x"}, false, true},
		"nothing, trailers": {"0", nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := rawClient(t, address)
			r.post(1, "content-length", c.length)
			for i, p := range c.pieces {
				_ = r.WriteData(1, i == len(c.pieces)-1 && !c.trailer, []byte(p))
			}
			if c.trailer {
				r.head(1, true, "x-sum", "1")
			}
			got := <-saw
			if c.bad {
				if _, is := errors.AsType[*Error](got.err); !is {
					t.Errorf("%v", got.err)
				}
				r.reset(1, ProtocolError)
				return
			}
			if want := strings.Join(c.pieces, ""); got.err != nil || got.body != want || c.trailer != strings.HasSuffix(got.text, "|x-sum; 1") {
				t.Errorf("%+v", got)
			}
			r.status(1)
		})
	}
}

// B14: an answer that comes before the end of the request is complete, and
// stops it.
func TestEarlyAnswer(t *testing.T) {
	address := serve(t, ServerOptions{}, func(s *ServerStream) {
		_ = s.Respond(&message.Response{Status: 413, Length: 3}, false)
		_ = s.WriteBody([]byte("no!"))
		_ = s.Finish(nil)
	})
	r := rawClient(t, address)
	r.post(1, "content-length", "1000000")
	if status := r.status(1); status != "413" {
		t.Errorf("status %s", status)
	}
	if f := until[*xhttp2.DataFrame](r, nil); string(f.Data()) != "no!" || !f.StreamEnded() { // in one frame
		t.Errorf("%q, the end: %v", f.Data(), f.StreamEnded())
	}
	r.reset(1, NoError)
	_ = r.WriteData(1, false, make([]byte, 10000)) // it was on its way
	r.alive()
}

// B4: an answer that breaks off is seen to.
func TestAbort(t *testing.T) {
	for name, breakOff := range map[string]func(*ServerStream){
		"abort":  (*ServerStream).Abort,
		"return": func(*ServerStream) {},
		"cut":    func(s *ServerStream) { s.Cut(); s.Abort() },
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, ServerOptions{}, func(s *ServerStream) {
				_ = s.Respond(&message.Response{Status: 200, Length: 10}, false)
				_ = s.WriteBody([]byte("half"))
				_ = s.Flush()
				breakOff(s)
				if err := s.WriteBody([]byte("more")); err == nil && name != "return" {
					t.Error("it goes on")
				}
			})
			r := rawClient(t, address)
			r.get(1)
			r.reset(1, InternalError)
			r.alive()
		})
	}
}

type told chan struct{}

func (c told) ClientGone() { close(c) }

// C2: who works for a client that has gone is told.
func TestGone(t *testing.T) {
	for name, leave := range map[string]func(*raw){
		"reset":  func(r *raw) { _ = r.WriteRSTStream(1, xhttp2.ErrCodeCancel) },
		"closed": func(r *raw) { r.net.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			begun, ended := make(chan bool), make(chan error, 1)
			address := serve(t, ServerOptions{}, func(s *ServerStream) {
				gone := make(told)
				s.OnGone(gone)
				begun <- s.Gone()
				<-gone
				late := make(told)
				s.OnGone(late)
				<-late
				if !s.Gone() {
					ended <- errors.New("it is not gone")
				}
				ended <- s.Respond(&message.Response{Status: 200}, true)
			})
			r := rawClient(t, address)
			r.get(1)
			if <-begun {
				t.Error("it is gone already")
			}
			left := time.Now()
			leave(r)
			err := <-ended
			if took := time.Since(left); err == nil || took > 5*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
}

// What waits for the rest of a request can be called off, and gone on with.
func TestStopBody(t *testing.T) {
	stopped, interrupted, resumed := make(chan *ServerStream), make(chan error), make(chan string)
	address := serve(t, ServerOptions{}, func(s *ServerStream) {
		p, _ := s.NextBody()
		first := string(p)
		stopped <- s
		_, err := s.NextBody()
		interrupted <- err
		s.ResumeBody()
		p, _ = s.NextBody()
		resumed <- first + string(p)
		ok(s)
	})
	r := rawClient(t, address)
	r.post(1)
	_ = r.WriteData(1, false, []byte("a"))
	s := <-stopped
	s.StopBody()
	if err := <-interrupted; !errors.Is(err, ErrInterrupted) {
		t.Errorf("%v", err)
	}
	_ = r.WriteData(1, true, []byte("b"))
	if got := <-resumed; got != "ab" {
		t.Errorf("%q", got)
	}
	r.status(1)
}
