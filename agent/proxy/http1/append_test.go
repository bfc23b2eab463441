package http1

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

func header(lines ...string) (h message.Header) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.AddNamed(name, value)
	}
	return h
}

func TestAppendRequest(t *testing.T) {
	with := func(change func(*message.Request)) message.Request {
		r := message.Request{Method: []byte("GET"), Target: []byte("/a?b"), Authority: []byte("c:1")}
		change(&r)
		return r
	}
	for _, test := range []struct {
		what string
		r    message.Request
		want string
	}{
		{"the least", with(func(*message.Request) {}), "GET /a?b HTTP/1.1|Host: c:1||"},
		{"no authority", with(func(r *message.Request) { r.Authority = nil }), "GET /a?b HTTP/1.1|Host: ||"},
		{"fields in order", with(func(r *message.Request) { r.Header = header("x-a: b", "user-agent: c", "x-A: ") }), "GET /a?b HTTP/1.1|Host: c:1|x-a: b|User-Agent: c|x-A: ||"},
		{"a length", with(func(r *message.Request) { r.Length = 12 }), "GET /a?b HTTP/1.1|Host: c:1|Content-Length: 12||"},
		{"chunks", with(func(r *message.Request) { r.Length = message.Unknown }), "GET /a?b HTTP/1.1|Host: c:1|Transfer-Encoding: chunked||"},
		{"POST of nothing", with(func(r *message.Request) { r.Method = []byte("POST") }), "POST /a?b HTTP/1.1|Host: c:1|Content-Length: 0||"},
		{"DELETE of nothing", with(func(r *message.Request) { r.Method = []byte("DELETE") }), "DELETE /a?b HTTP/1.1|Host: c:1||"},
		{"an expectation", with(func(r *message.Request) { r.Expect, r.Length = true, 1 }), "GET /a?b HTTP/1.1|Host: c:1|Content-Length: 1|Expect: 100-continue||"},
		{"the last", with(func(r *message.Request) { r.Last = true }), "GET /a?b HTTP/1.1|Host: c:1|Connection: close||"},
		{"an upgrade", with(func(r *message.Request) { r.Upgrade = []byte("websocket") }), "GET /a?b HTTP/1.1|Host: c:1|Connection: Upgrade|Upgrade: websocket||"},
		{"trailers are welcome", with(func(r *message.Request) { r.Header = header("te: trailers"); r.Last = true }), "GET /a?b HTTP/1.1|Host: c:1|TE: trailers|Connection: close, TE||"},
		{"* for OPTIONS", with(func(r *message.Request) { r.Method, r.Target = []byte("OPTIONS"), []byte("*") }), "OPTIONS * HTTP/1.1|Host: c:1||"},
		{"* for GET", with(func(r *message.Request) { r.Target = []byte("*") }), "GET /* HTTP/1.1|Host: c:1||"},
		{"fields of the framing", with(func(r *message.Request) {
			r.Header = header("content-length: 5", "Transfer-Encoding: gzip", "CONNECTION: x", "Keep-Alive: 1", "Proxy-Connection: y", "Upgrade: z", "HTTP2-Settings: a", "Host: b", "Expect: c", "x: y")
			r.Header.Append(message.Field{Name: []byte("content-length"), Value: []byte("7")}) // without its number
		}), "GET /a?b HTTP/1.1|Host: c:1|x: y||"},
		{"fields that would be two", with(func(r *message.Request) {
			r.Header = header("a: b\r\nc: d", "a: b\nc: d", "a: b\rc", "a: b\x00", "a\r\nb: c", "a\n: b", "a b: c", "a:: b", ": b", "via: 1\r\nb: c", "x: y")
		}), "GET /a?b HTTP/1.1|Host: c:1|x: y||"},
		{"a method that would be more", with(func(r *message.Request) { r.Method = []byte("GET / HTTP/1.1\r\n") }), "INVALID /a?b HTTP/1.1|Host: c:1||"},
		{"no method", with(func(r *message.Request) { r.Method = nil }), "INVALID /a?b HTTP/1.1|Host: c:1||"},
		{"CONNECT", with(func(r *message.Request) { r.Method = []byte("CONNECT") }), "INVALID /a?b HTTP/1.1|Host: c:1||"},
		{"a target that would be more", with(func(r *message.Request) { r.Target = []byte("/ HTTP/1.1\r\nA: b\r\n\r\n") }), "GET /%20HTTP/1.1%0D%0AA:%20b%0D%0A%0D%0A HTTP/1.1|Host: c:1||"},
		{"a target with a space", with(func(r *message.Request) { r.Target = []byte("/a b#\xff") }), "GET /a%20b%23%FF HTTP/1.1|Host: c:1||"},
		{"a relative target", with(func(r *message.Request) { r.Target = []byte("a") }), "GET /a HTTP/1.1|Host: c:1||"},
		{"no target", with(func(r *message.Request) { r.Target = nil }), "GET / HTTP/1.1|Host: c:1||"},
		{"an authority that would be more", with(func(r *message.Request) { r.Authority = []byte("a\r\nb: c") }), "GET /a?b HTTP/1.1|Host: ||"},
		{"an upgrade that would be more", with(func(r *message.Request) { r.Upgrade = []byte("a\r\nb: c") }), "GET /a?b HTTP/1.1|Host: c:1||"},
	} {
		if got := lines(AppendRequest([]byte("before|"), &test.r)); got != "before|"+test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.what, got, test.want)
		}
	}
}

func lines(b []byte) string { return strings.ReplaceAll(string(b), "\r\n", "|") }

func TestAppendResponse(t *testing.T) {
	with := func(change func(*message.Response)) message.Response {
		r := message.Response{Status: 200, Declared: message.Unknown}
		change(&r)
		return r
	}
	for _, test := range []struct {
		what    string
		r       message.Response
		chunked bool
		minor   int
		want    string
	}{
		{"nothing", with(func(*message.Response) {}), true, 1, "HTTP/1.1 200 OK|Content-Length: 0||"},
		{"fields in order", with(func(r *message.Response) { r.Header = header("x-a: b", "SERVER: c") }), true, 1, "HTTP/1.1 200 OK|x-a: b|Server: c|Content-Length: 0||"},
		{"a length", with(func(r *message.Response) { r.Length = 12 }), true, 1, "HTTP/1.1 200 OK|Content-Length: 12||"},
		{"chunks", with(func(r *message.Response) { r.Length = message.Unknown }), true, 1, "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"},
		{"until the end", with(func(r *message.Response) { r.Length = message.Unknown }), false, 0, "HTTP/1.0 200 OK|Connection: close||"},
		{"keep-alive", with(func(r *message.Response) { r.Length = 1 }), false, 0, "HTTP/1.0 200 OK|Content-Length: 1|Connection: keep-alive||"},
		{"the last", with(func(r *message.Response) { r.Last = true }), false, 0, "HTTP/1.0 200 OK|Content-Length: 0|Connection: close||"},
		{"HEAD", with(func(r *message.Response) { r.Head = true }), true, 1, "HTTP/1.1 200 OK||"},
		{"HEAD with a length", with(func(r *message.Response) { r.Head, r.Declared = true, 5 }), true, 1, "HTTP/1.1 200 OK|Content-Length: 5||"},
		{"a length that is declared for nothing", with(func(r *message.Response) { r.Declared = 5 }), true, 1, "HTTP/1.1 200 OK|Content-Length: 0||"},
		{"304", with(func(r *message.Response) { r.Status = 304 }), true, 1, "HTTP/1.1 304 Not Modified||"},
		{"304 with a length", with(func(r *message.Response) { r.Status, r.Declared = 304, 0 }), true, 1, "HTTP/1.1 304 Not Modified|Content-Length: 0||"},
		{"204", with(func(r *message.Response) { r.Status, r.Length, r.Last = 204, message.Unknown, true }), true, 1, "HTTP/1.1 204 No Content|Connection: close||"},
		{"103", with(func(r *message.Response) { r.Status, r.Last, r.Header = 103, true, header("Link: a") }), true, 1, "HTTP/1.1 103 Early Hints|Link: a||"},
		{"101", with(func(r *message.Response) { r.Status, r.Upgrade = 101, []byte("websocket") }), true, 1, "HTTP/1.1 101 Switching Protocols|Connection: Upgrade|Upgrade: websocket||"},
		{"a status without a phrase", with(func(r *message.Response) { r.Status = 299 }), true, 1, "HTTP/1.1 299 |Content-Length: 0||"},
		{"no status", with(func(r *message.Response) { r.Status = 1000 }), true, 1, "HTTP/1.1 502 Bad Gateway|Content-Length: 0||"},
		{"fields of the framing", with(func(r *message.Response) {
			r.Header = header("content-length: 5", "Transfer-Encoding: gzip", "CONNECTION: x", "Keep-Alive: 1", "Upgrade: z", "x: y")
		}), true, 1, "HTTP/1.1 200 OK|x: y|Content-Length: 0||"},
		{"fields that would be two", with(func(r *message.Response) {
			r.Header = header("a: b\r\nc: d", "a\nb: c", "location: /\r\nset-cookie: a=b", "x: y")
		}), true, 1, "HTTP/1.1 200 OK|x: y|Content-Length: 0||"},
	} {
		if got := lines(AppendResponse([]byte("before|"), &test.r, test.chunked, test.minor)); got != "before|"+test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.what, got, test.want)
		}
	}
}

func TestAppendChunks(t *testing.T) {
	b := AppendChunkHead(nil, 500)
	b = append(b, ChunkEnd...)
	trailer := header("grpc-status: 0", "content-length: 5", "Host: a", "a: b\r\n0", "x-a: b")
	trailer.Append(message.Field{Name: []byte("transfer-encoding"), Value: []byte("a")})
	b = AppendLastChunk(b, &trailer)
	b = AppendLastChunk(b, nil)
	if got, want := lines(b), "1f4||0|Grpc-Status: 0|x-a: b||0||"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if len(AppendChunkHead(nil, 0)) != 0 || len(AppendChunkHead(nil, -1)) != 0 {
		t.Error("a chunk of no data is an end")
	}
}

// What is read is written so that it is read again as the same.
func TestRoundTripOfRequests(t *testing.T) {
	for _, test := range requests {
		var first, second message.Request
		head := test.input[:End([]byte(test.input), 0)]
		if err := ParseRequest([]byte(head), small, &first); err != nil {
			t.Fatal(err)
		}
		if err := ParseRequest(AppendRequest(nil, &first), Limits{}, &second); err != nil {
			t.Errorf("%s: %v", test.rule, err)
		}
		second.Minor = first.Minor // 1.1 is written
		for _, r := range []*message.Request{&first, &second} {
			for _, n := range []message.Name{message.Connection, message.Upgrade, message.TE, message.HTTP2Settings} {
				r.Header.Del(n)
			}
		}
		if a, b := showRequest(&first), showRequest(&second); a != b {
			t.Errorf("%s:\n%s\n%s", test.rule, a, b)
		}
	}
}

func TestRoundTripOfResponses(t *testing.T) {
	for _, test := range responses {
		var first, second message.Response
		head := test.input[:End([]byte(test.input), 0)]
		if err := ParseResponse([]byte(head), small, []byte(test.method), &first); err != nil {
			t.Fatal(err)
		}
		again := AppendResponse(nil, &first, !first.UntilEOF, 1)
		if err := ParseResponse(again, Limits{}, []byte(test.method), &second); err != nil {
			t.Errorf("%s: %v", test.rule, err)
		}
		for _, r := range []*message.Response{&first, &second} {
			for _, n := range []message.Name{message.Connection, message.Upgrade, message.Host, message.Expect} {
				r.Header.Del(n)
			}
		}
		if a, b := showResponse(&first), showResponse(&second); a != b {
			t.Errorf("%s:\n%s\n%s", test.rule, a, b)
		}
	}
}

// Bodies in chunks of any size come out as they went in.
func TestRoundTripOfChunks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	trailer := header("a: b", "grpc-status: 0")
	for range 300 {
		var want, wire []byte
		for range random.IntN(6) {
			data := make([]byte, 1+random.IntN(40))
			for i := range data {
				data[i] = "\r\n0;a"[random.IntN(5)]
			}
			want = append(want, data...)
			wire = AppendChunkHead(wire, len(data))
			wire = append(wire, data...)
			wire = append(wire, ChunkEnd...)
		}
		wire = append(AppendLastChunk(wire, &trailer), "next"...)
		var b Body
		b.Reset(message.Unknown)
		var got []byte
		rest := wire
		for !b.Done() {
			in := rest[:min(len(rest), 1+random.IntN(20))]
			data, n, err := b.Next(in)
			if err != nil || len(in) == 0 {
				t.Fatalf("%q: %v", wire, err)
			}
			got, rest = append(got, data...), rest[n:]
		}
		var read message.Header
		if b.Trailer(&read); string(got) != string(want) || string(rest) != "next" || show(&read) != "{a: b|Grpc-Status: 0}" {
			t.Fatalf("%q: got %q, rest %q, trailers %s", wire, got, rest, show(&read))
		}
	}
}

// Whatever is written, it is one head with at most the one field.
func FuzzAppend(f *testing.F) {
	f.Add("GET", "/", "a", "b", "c", "d")
	f.Add("GET / HTTP/1.1\r\n", "/ HTTP/1.1\r\n\r\n", "a\r\n\r\n", "b\r\nc", "d\r\ne: f", "g\r\nh")
	f.Add("", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, method, target, authority, name, value, upgrade string) {
		h := header()
		h.AddNamed(name, value)
		request := message.Request{Method: []byte(method), Target: []byte(target), Authority: []byte(authority), Header: h, Upgrade: []byte(upgrade)}
		response := message.Response{Status: 200, Header: h, Upgrade: []byte(upgrade)}
		for want, wire := range [][]byte{AppendRequest(nil, &request), AppendResponse(nil, &response, true, 1)} {
			if End(wire, 0) != len(wire) {
				t.Errorf("%q is not one head", wire)
			}
			got := strings.Split(string(wire), "\r\n")
			for _, line := range got {
				if !clean([]byte(line)) {
					t.Errorf("%q in %q", line, wire)
				}
			}
			// The first line, Host or a length, the field, Connection and Upgrade, and two for the end.
			if len(got) > 7 || strings.Count(got[0], " ") != 2 {
				t.Errorf("%d: %q has too much", want, wire)
			}
		}
		chunk := AppendLastChunk(nil, &h)
		var b Body
		b.Reset(message.Unknown)
		if _, n, err := b.Next(chunk); err != nil || n != len(chunk) || !b.Done() {
			t.Errorf("%q is not one end: %v", chunk, err)
		}
	})
}
