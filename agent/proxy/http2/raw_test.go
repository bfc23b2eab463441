package http2

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// raw is a peer that speaks in frames of another make, and as wrongly as it is
// told to.
type raw struct {
	*xhttp2.Framer
	t     testing.TB
	net   net.Conn
	heads bytes.Buffer
	hpack *hpack.Encoder
	held  int      // bytes of DATA that alive came across
	late  []uint32 // streams whose heads it came across
}

func newRaw(t testing.TB, c net.Conn) *raw {
	r := &raw{t: t, net: c, Framer: xhttp2.NewFramer(c, c)}
	r.AllowIllegalWrites = true
	r.SetMaxReadFrameSize(maxFrame)
	r.hpack = hpack.NewEncoder(&r.heads)
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return r
}

// rawDial is connected to a server.
func rawDial(t testing.TB, address string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, c)
}

// rawClient has said hello as well.
func rawClient(t testing.TB, address string, settings ...xhttp2.Setting) *raw {
	t.Helper()
	r := rawDial(t, address)
	if _, err := r.net.Write([]byte(Preface)); err != nil {
		t.Fatal(err)
	}
	_ = r.WriteSettings(settings...)
	return r
}

// rawServer is what a Client is connected to.
func rawServer(t testing.TB, o ClientOptions, settings ...xhttp2.Setting) (*raw, *Client) {
	t.Helper()
	l := listen(t)
	defer l.Close()
	c := dial(t, l.Addr().String(), o)
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r := newRaw(t, accepted)
	preface := make([]byte, len(Preface))
	if _, err := accepted.Read(preface); err != nil || string(preface) != Preface {
		t.Fatalf("%v, %q", err, preface)
	}
	_ = r.WriteSettings(settings...)
	return r, c
}

// block encodes fields: name, value, name, value.
func (r *raw) block(fields ...string) []byte {
	r.heads.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = r.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return r.heads.Bytes()
}

func (r *raw) head(id uint32, end bool, fields ...string) {
	_ = r.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: r.block(fields...), EndHeaders: true, EndStream: end})
}

// get sends a request without a body.
func (r *raw) get(id uint32, more ...string) { r.head(id, true, request("GET", more...)...) }

// post begins a request with one.
func (r *raw) post(id uint32, more ...string) { r.head(id, false, request("POST", more...)...) }

func request(method string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":authority", "here", ":path", "/"}, more...)
}

// until reads on to a frame that is what is wanted.
func until[F xhttp2.Frame](r *raw, wanted func(F) bool) F {
	r.t.Helper()
	for {
		f, err := r.ReadFrame()
		if err != nil {
			r.t.Fatalf("waiting for a %T: %v", *new(F), err)
		}
		if f, ok := f.(F); ok && (wanted == nil || wanted(f)) {
			return f
		}
	}
}

// reset waits for a stream to be reset.
func (r *raw) reset(id uint32, code Code) {
	r.t.Helper()
	f := until(r, func(f *xhttp2.RSTStreamFrame) bool { return f.StreamID == id })
	if Code(f.ErrCode) != code {
		r.t.Errorf("stream %d is reset with %v, want %v", id, f.ErrCode, code)
	}
}

// away waits for the connection to be ended.
func (r *raw) away(code Code) {
	r.t.Helper()
	f := until(r, func(f *xhttp2.GoAwayFrame) bool { return true })
	if Code(f.ErrCode) != code {
		r.t.Errorf("GOAWAY of %v (%s), want %v", f.ErrCode, f.DebugData(), code)
	}
	r.closed()
}

// closed waits for the connection to be closed.
func (r *raw) closed() {
	r.t.Helper()
	for {
		if _, err := r.ReadFrame(); errors.Is(err, os.ErrDeadlineExceeded) {
			r.t.Fatal("the connection stays open")
		} else if err != nil && !errors.As(err, new(xhttp2.StreamError)) {
			return
		}
	}
}

// status waits for the head of a stream's answer.
func (r *raw) status(id uint32) string {
	r.t.Helper()
	return until(r, func(f *xhttp2.MetaHeadersFrame) bool { return f.StreamID == id }).PseudoValue("status")
}

// alive shows that the connection goes on.
func (r *raw) alive() {
	r.t.Helper()
	_ = r.WritePing(false, [8]byte{'a'})
	for {
		f, err := r.ReadFrame()
		if err != nil {
			r.t.Fatalf("waiting for an answer to PING: %v", err)
		}
		switch f := f.(type) {
		case *xhttp2.PingFrame:
			if f.IsAck() {
				return
			}
		case *xhttp2.DataFrame:
			r.held += len(f.Data())
		case *xhttp2.MetaHeadersFrame:
			r.late = append(r.late, f.StreamID)
		}
	}
}

// pipe is a connection that holds nothing between its ends.
func pipe(t testing.TB) (client, server net.Conn) {
	client, server = net.Pipe()
	_ = client.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// waitFor polls for something to be so.
func waitFor(t testing.TB, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
