package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// typicalRequest has the ten fields that a browser or a client library sends.
const typicalRequest = "GET /api/v1/users/12345/orders?limit=50&after=2026-01-01 HTTP/1.1\r\n" +
	"Host: orders.service.consul:8080\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n" +
	"Accept: application/json, text/plain, */*\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Accept-Language: en-US,en;q=0.9\r\n" +
	"Connection: keep-alive\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n" +
	"Cache-Control: no-cache\r\n" +
	"X-Request-Id: 7f1c2d3e-4b5a-6978-8190-a1b2c3d4e5f6\r\n" +
	"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"

const typicalResponse = "HTTP/1.1 200 OK\r\n" +
	"Date: Mon, 01 Jun 2026 12:00:00 GMT\r\n" +
	"Server: nginx\r\n" +
	"Content-Type: application/json; charset=utf-8\r\n" +
	"Content-Length: 1024\r\n" +
	"Cache-Control: private, max-age=0\r\n" +
	"ETag: W/\"400-abcdef\"\r\n" +
	"Vary: Accept-Encoding\r\n" +
	"X-Request-Id: 7f1c2d3e-4b5a-6978-8190-a1b2c3d4e5f6\r\n" +
	"Connection: keep-alive\r\n\r\n"

func BenchmarkParseRequest(b *testing.B) {
	in := []byte(typicalRequest)
	b.Run("here", func(b *testing.B) {
		var r message.Request
		b.ReportAllocs()
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			if err := ParseRequest(in[:End(in, 0)], Limits{}, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		source := bytes.NewReader(in)
		r := bufio.NewReader(source)
		b.ReportAllocs()
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			source.Reset(in)
			r.Reset(source)
			if _, err := http.ReadRequest(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseResponse(b *testing.B) {
	in := []byte(typicalResponse)
	b.Run("here", func(b *testing.B) {
		var r message.Response
		method := []byte("GET")
		b.ReportAllocs()
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			if err := ParseResponse(in[:End(in, 0)], Limits{}, method, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		source := bytes.NewReader(in)
		r := bufio.NewReader(source)
		b.ReportAllocs()
		b.SetBytes(int64(len(in)))
		for b.Loop() {
			source.Reset(in)
			r.Reset(source)
			if _, err := http.ReadResponse(r, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendRequest(b *testing.B) {
	var r, out message.Request
	if err := ParseRequest([]byte(typicalRequest), Limits{}, &r); err != nil {
		b.Fatal(err)
	}
	out = r
	out.Header = message.Header{}
	var wire []byte
	b.ReportAllocs()
	for b.Loop() {
		out.Header.Reset()
		message.EndToEnd(&out.Header, &r.Header)
		wire = AppendRequest(wire[:0], &out)
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	var r, out message.Response
	if err := ParseResponse([]byte(typicalResponse), Limits{}, nil, &r); err != nil {
		b.Fatal(err)
	}
	out = r
	out.Header = message.Header{}
	var wire []byte
	b.ReportAllocs()
	for b.Loop() {
		out.Header.Reset()
		message.EndToEnd(&out.Header, &r.Header)
		wire = AppendResponse(wire[:0], &out, true, 1)
	}
}

func BenchmarkChunks(b *testing.B) {
	var in []byte
	data := make([]byte, 4096)
	for range 16 {
		in = append(in, AppendChunkHead(nil, len(data))...)
		in = append(append(in, data...), ChunkEnd...)
	}
	trailer := header("Grpc-Status: 0")
	in = AppendLastChunk(in, &trailer)
	var body Body
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		body.Reset(message.Unknown)
		for rest := in; !body.Done(); {
			_, n, err := body.Next(rest)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

// One exchange takes no memory once what is used again has grown.
func TestAnExchangeTakesNoMemory(t *testing.T) {
	request := []byte("GET http://[2001:db8::1]:80?a HTTP/1.1\r\nHost: [2001:db8::1]:80\r\nConnection: upgrade, x-a\r\nUpgrade: h2c, a\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n")
	response := []byte(typicalResponse)
	chunks := []byte("3;a=b\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n")
	var in, out message.Request
	var back, forth message.Response
	var body Body
	var wire []byte
	exchange := func() {
		if err := ParseRequest(request[:End(request, 0)], Limits{}, &in); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		out.Method, out.Target, out.Authority, out.Length = in.Method, in.Target, in.Authority, in.Length
		message.EndToEnd(&out.Header, &in.Header)
		wire = AppendRequest(wire[:0], &out)
		body.Reset(in.Length)
		for rest := chunks; !body.Done(); {
			data, n, err := body.Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) > 0 {
				wire = append(append(AppendChunkHead(wire, len(data)), data...), ChunkEnd...)
			}
			rest = rest[n:]
		}
		in.Trailer.Reset()
		body.Trailer(&in.Trailer)
		wire = AppendLastChunk(wire, &in.Trailer)
		if err := ParseResponse(response[:End(response, 0)], Limits{}, in.Method, &back); err != nil {
			t.Fatal(err)
		}
		forth.Reset()
		forth.Status, forth.Length = back.Status, back.Length
		message.EndToEnd(&forth.Header, &back.Header)
		wire = AppendResponse(wire[:0], &forth, true, 1)
	}
	for range 5 {
		exchange()
	}
	if n := testing.AllocsPerRun(100, exchange); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
