package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// caller2 is a client's connection of HTTP/2, frame by frame.
type caller2 struct {
	*http2.Framer
	t      testing.TB
	stream uint32
	heads  bytes.Buffer
	hpack  *hpack.Encoder
}

func call2(t testing.TB, f *front) *caller2 {
	t.Helper()
	return call2On(t, dialed(t, f))
}

func call2On(t testing.TB, conn io.ReadWriter) *caller2 {
	t.Helper()
	c := &caller2{Framer: http2.NewFramer(conn, conn), t: t, stream: 1}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.hpack = hpack.NewEncoder(&c.heads)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	_ = c.WriteSettings()
	return c
}

// send sends a request whose head has these fields, name and value in turn.
func (c *caller2) send(method string, fields ...string) {
	c.heads.Reset()
	fields = append([]string{":method", method, ":authority", "web", ":scheme", "http", ":path", "/"}, fields...)
	for i := 0; i < len(fields); i += 2 {
		if method != "CONNECT" || fields[i] != ":scheme" && fields[i] != ":path" {
			_ = c.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
	}
	const piece = 16 << 10
	block := c.heads.Bytes()
	n := min(len(block), piece)
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: block[:n], EndStream: true, EndHeaders: n == len(block)})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(len(block), piece)
		_ = c.WriteContinuation(c.stream, n == len(block), block[:n])
	}
}

// ask sends a request, and returns the answer.
func (c *caller2) ask(method string, fields ...string) (head *http2.MetaHeadersFrame, body string) {
	c.t.Helper()
	c.send(method, fields...)
	defer func() { c.stream += 2 }()
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			c.t.Fatal(err)
		}
		if frame.Header().StreamID != c.stream {
			continue
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			head = frame
		case *http2.DataFrame:
			body += string(frame.Data())
		case *http2.RSTStreamFrame:
			c.t.Fatalf("reset: %v", frame.ErrCode)
		}
		if frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return head, body
		}
	}
}

func field(head *http2.MetaHeadersFrame, name string) string {
	for _, f := range head.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// C4, C10 over HTTP/2: what is refused is told and counted as over HTTP/1.1,
// and the connection is as good as before.
func TestC4HeadsOverHTTP2(t *testing.T) {
	o := defaults()
	o.Limits.MaxHeaders = 100
	s := newStage(t, o)
	s.serve(s.peer(answering(fine)))
	c := call2(t, s.front)
	many := func(n int, name string) (fields []string) {
		for i := range n {
			fields = append(fields, name, strconv.Itoa(i))
		}
		return fields
	}
	for _, tt := range []struct {
		what, method string
		fields       []string
		status, text string
	}{
		{"too many bytes", "GET", []string{"x", strings.Repeat("~", 70<<10)}, "431", "the header is too large"},
		{"one field too many", "GET", many(101, "x"), "431", "the header has too many fields"},
		{"1,200 fields", "GET", many(1200, "x"), "431", "the header has too many fields"},
		{"as many as may be", "GET", many(100, "x"), "200", "ok"},
		{"a cookie's crumbs", "GET", append(many(99, "x"), many(200, "cookie")...), "200", "ok"},
		{"no body comes to HEAD", "HEAD", many(101, "x"), "431", ""},
		{"gRPC", "POST", append([]string{"content-type", "application/grpc"}, many(100, "x")...), "200", ""},
		{"CONNECT", "CONNECT", nil, "405", "CONNECT is not for this proxy"},
	} {
		head, body := c.ask(tt.method, tt.fields...)
		status := field(head, ":status")
		s.saw(status)
		if status != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %s %q", tt.what, status, body)
		}
		if status != "200" && (!strings.HasPrefix(field(head, "proxy-status"), "outrigger; error=http_request_error") || tt.text != "" && !strings.HasPrefix(body, `outrigger: upstream "web": bad request: `)) {
			t.Errorf("%s: %v %q", tt.what, head.Fields, body)
		}
		if tt.what == "gRPC" && (field(head, "grpc-status") != "13" || !strings.Contains(field(head, "grpc-message"), "too many fields")) {
			t.Errorf("%s: %v", tt.what, head.Fields)
		}
	}
	s.settle()
	if n := s.Meter.Failures()[BadRequest]; n != 6 {
		t.Errorf("counted %v", s.Meter.Failures())
	}
}

// One that is so large that its connection ends with it is counted as well.
func TestC4EndlessHeadOverHTTP2(t *testing.T) {
	s := newStage(t, defaults())
	s.serve(s.peer(answering(fine)))
	c := call2(t, s.front)
	if head, _ := c.ask("GET"); field(head, ":status") != "200" {
		t.Errorf("got %v", head)
	}
	s.saw("200")
	if head, _ := c.ask("GET", "x", strings.Repeat("\x80", 200<<10)); field(head, ":status") != "431" {
		t.Errorf("got %v", head)
	}
	s.saw("431")
	eventually(t, "the connection is gone", func() bool { return s.Meter.Connections.Load() == 0 })
	s.settle()
	if n := s.Meter.Failures()[BadRequest]; n != 1 {
		t.Errorf("counted %v", s.Meter.Failures())
	}
}

// An answer's head has the same limit.
func TestTooManyFieldsOfABackend(t *testing.T) {
	for _, backendHTTP := range []Protocol{HTTP1, H2C} {
		o := defaults()
		o.Limits.MaxHeaders, o.Backend = 20, backendHTTP
		f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("n"))
			for i := range n {
				w.Header().Set("X-"+strconv.Itoa(i), "y")
			}
		}))
		for n, want := range map[string]int{"10": 200, "30": 502} {
			if resp, body := get(t, "http://"+f.address+"/?n="+n); resp.StatusCode != want {
				t.Errorf("%v, %s fields: %d %q", backendHTTP, n, resp.StatusCode, body)
			}
		}
	}
}

// Where memory gets tight, a client of HTTP/2 is told to go, and the request
// that was under way is answered.
func TestMemoryKeepsItsDistanceOverHTTP2(t *testing.T) {
	var needed atomic.Uint64
	m := newMemory(func() (uint64, uint64) { return needed.Load(), 1000 })
	defer m.Close()
	o := defaults()
	o.Memory = m
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) {}))
	c := call2(t, f)
	for _, n := range []uint64{100, 899, 900} {
		needed.Store(n)
		m.next.Store(0) // it is time to read
		if head, _ := c.ask("GET"); field(head, ":status") != "200" {
			t.Errorf("with %d of 1000: %v", n, head.Fields)
		}
		_ = c.WritePing(false, [8]byte{byte(n)})
		if away := c.awayBeforePong(); away != (n == 900) {
			t.Errorf("with %d of 1000 it is told to go: %v", n, away)
		}
	}
	for { // and to the end
		frame, err := c.ReadFrame()
		if err != nil {
			break
		}
		if ping, ok := frame.(*http2.PingFrame); ok && !ping.IsAck() {
			_ = c.WritePing(true, ping.Data)
		}
	}
	eventually(t, "the connection is gone", func() bool { return f.Meter.Connections.Load() == 0 })
}

// awayBeforePong tells which of GOAWAY and the answer to a PING comes first.
func (c *caller2) awayBeforePong() bool {
	c.t.Helper()
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			c.t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			return true
		case *http2.PingFrame:
			if frame.IsAck() {
				return false
			}
			_ = c.WritePing(true, frame.Data)
		}
	}
}

// lastSeen is an observer that remembers the last request it was told of.
type lastSeen struct{ text atomic.Value }

func (l *lastSeen) Begin(r *message.Request) Exchange {
	l.text.Store(string(r.Method) + " " + string(r.Target) + " " + strconv.Itoa(r.Major))
	return Unobserved{}.Begin(r)
}

// What is no request is answered in HTTP/1.1, whatever it was in, and has
// nothing of the request before it on its connection: that it was HEAD, or
// gRPC, or of what.
func TestARefusalIsNotOfTheRequestBefore(t *testing.T) {
	o, seen := defaults(), new(lastSeen)
	o.Timeouts.Header, o.Observer = 200*time.Millisecond, seen
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) {}))
	for _, before := range []string{
		"",
		"HEAD /secret HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /secret HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\r\n",
		"GET /secret HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
	} {
		for what, tt := range map[string]struct{ text, status, seen string }{
			"half a head": {"GET /ha", "408 Request Timeout", "  1"},
			"rubbish":     {"\x00\r\n\r\n", "400 Bad Request", "  1"},
			"too large":   {"GET /" + strings.Repeat("x", 9<<10), "414 Request URI Too Long", "  1"},
			"HTTP/1.0":    {"GET /old HTTP/1.0\r\nA b\r\n\r\n", "400 Bad Request", "GET /old 1"},
			"HTTP/1.1":    {"GET /new HTTP/1.1\r\n\r\n", "400 Bad Request", "GET /new 1"},
			"HTTP/3":      {"GET /far HTTP/3.0\r\n\r\n", "505 HTTP Version Not Supported", "GET  1"},
		} {
			conn := dialed(t, f)
			_, _ = io.WriteString(conn, before)
			if before != "" {
				for head := ""; !strings.HasSuffix(head, "\r\n\r\n"); {
					b := make([]byte, 1)
					if _, err := conn.Read(b); err != nil {
						t.Fatalf("%v after %q", err, head)
					}
					head += string(b)
				}
			}
			_, _ = io.WriteString(conn, tt.text)
			answer := readAll(conn)
			conn.Close()
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status+"\r\n") || !strings.HasSuffix(answer, "\n") || strings.HasSuffix(answer, "\r\n\r\n") {
				t.Errorf("%s after %.20q: %q", what, before, answer)
			}
			if got := seen.text.Load(); got != tt.seen {
				t.Errorf("%s after %.20q: seen as %q", what, before, got)
			}
		}
	}
}

// A gRPC call that comes in HTTP/1.1 goes on in HTTP/2 all the same, and others
// on the same loop do not wait for it.
func TestGRPCInHTTP1(t *testing.T) {
	release := make(chan struct{})
	address := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 {
			<-release
		}
		body, err := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Grpc-Status")
		fmt.Fprintf(w, "%d %s %v", r.ProtoMajor, body, err)
		_ = http.NewResponseController(w).Flush() // so that there is room for a trailer
		w.Header().Set("Grpc-Status", "0")
	})
	f := startHTTP(t, defaults(), address)
	answered := make(chan string)
	go func() {
		answered <- raw(t, f.address, "POST /a HTTP/1.1\r\nHost: web\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"+
			"4\r\nbody\r\n0\r\n\r\n")
	}()
	if _, body := get(t, "http://"+f.address); body != "1  <nil>" {
		t.Errorf("beside it: %q", body)
	}
	close(release)
	if got := <-answered; !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, "2 body <nil>") || !strings.Contains(strings.ToLower(got), "grpc-status: 0") {
		t.Errorf("%q", got)
	}
}
