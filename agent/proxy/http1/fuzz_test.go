package http1

import (
	"bufio"
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// The targets run beside net/http. We may refuse what that accepts, never the
// reverse, and what both accept they have to understand alike, above all where
// it ends. There is one exception: the empty line before a request, which
// net/http takes off before its parser.

// read is a message as somebody understood it.
type read struct {
	fields, trailers []string
	body             string
	end              int // where it ends in the input
}

// ours reads the first message of in by this package; false if it refuses it,
// or it is not all there.
func ours(in []byte, parse func(head []byte, b *Body) (*message.Header, error)) (got read, ok bool) {
	end := End(in, 0)
	if end == 0 {
		return got, false
	}
	var b Body
	header, err := parse(in[:end], &b)
	if err != nil {
		return got, false
	}
	got.end = end
	for !b.Done() {
		data, n, err := b.Next(in[got.end:])
		if err != nil {
			return got, false
		}
		got.body += string(data)
		if got.end += n; n == 0 {
			if b.EOF() != nil {
				return got, false
			}
		}
	}
	var trailers message.Header
	b.Trailer(&trailers)
	got.fields, got.trailers = listed(header), listed(&trailers)
	return got, true
}

func listed(h *message.Header) (lines []string) {
	for f := range h.All() {
		if notCompared(string(f.Name)) {
			continue
		}
		lines = append(lines, strings.ToLower(string(f.Name))+": "+string(f.Value))
	}
	slices.Sort(lines)
	return lines
}

// notCompared are fields that either side takes out of the header.
func notCompared(name string) bool {
	switch strings.ToLower(name) {
	case "host", "content-length", "transfer-encoding", "expect", "trailer", "connection", "cache-control":
		return true
	}
	return false
}

// theirs reads the first message of in by net/http.
func theirs(t *testing.T, in []byte, parse func(*bufio.Reader) (http.Header, io.ReadCloser, *http.Header, error)) (got read) {
	t.Helper()
	source := bytes.NewReader(in)
	r := bufio.NewReaderSize(source, len(in)+16) // its limit of trailers is that of the buffer
	header, body, trailer, err := parse(r)
	if err != nil {
		t.Fatalf("%q: net/http refuses: %v", in, err)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatalf("%q: net/http refuses the body: %v", in, err)
	}
	got.body = string(data)
	got.end = len(in) - source.Len() - r.Buffered()
	got.fields, got.trailers = listedMap(header, false), listedMap(*trailer, true)
	return got
}

func listedMap(h http.Header, trailers bool) (lines []string) {
	for name, values := range h {
		f := message.Field{Key: message.NameOf([]byte(name)), Name: []byte(name)}
		if notCompared(name) || trailers && !f.Trails() {
			continue
		}
		for _, value := range values {
			lines = append(lines, strings.ToLower(name)+": "+value)
		}
	}
	slices.Sort(lines)
	return lines
}

func compare(t *testing.T, in []byte, a, b read) {
	t.Helper()
	if !slices.Equal(a.fields, b.fields) || !slices.Equal(a.trailers, b.trailers) || a.body != b.body || a.end != b.end {
		t.Errorf("%q:\nhere     %+v\nnet/http %+v", in, a, b)
	}
}

// smuggling are requests that two readers have been known to read in two ways.
var smuggling = []string{
	post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", // CL.TE
	post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nG",    // TE.CL
	post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n",
	post + " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
	post + "Transfer\x00-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
	post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
	post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	post + "Content-Length: 3, 3\r\n\r\nabc",
	post + "Content-Length: +3\r\n\r\nabc",
	post + "Content-Length: 0x3\r\n\r\nabc",
	post + "Content-Length : 3\r\n\r\nabc",
	post + "Content-Length: 3\r\nConnection: Content-Length\r\n\r\nGET",
	post + "Content-Length:\r\n\r\nabc",
	post + "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
	"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://[::1%25a]/ HTTP/1.1\r\nHost: [::1%25a]\r\n\r\n",
	"GET //a/b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\nTrailer: a\r\n\r\n",
}

// laxChunks are bodies in chunks of the same kind.
var laxChunks = []string{
	"3\r\nabc\r\n0\r\n\r\nnext", "3;a\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\n\n", "3 \r\nabc\r\n0\r\n\r\n",
	"3\r\nabcXX0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n", "3;\n3\r\nabc\r\n0\r\n\r\n",
	"10000000000000003\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\nabc", "0\r\nContent-Length: 3\r\nA: b\r\n\r\nGET", "0\r\n\r\nG", "0\r\nA: b\r\n c\r\n\r\n",
	"00;a;b=c\r\nGrpc-Status: 0\r\n\r\n", "0\r\n\n", "1\r\r\na\r\n0\r\n\r\n", "\r\n0\r\n\r\n",
}

func FuzzRequest(f *testing.F) {
	for _, input := range smuggling {
		f.Add([]byte(input))
	}
	for _, test := range requests {
		f.Add([]byte(test.input))
	}
	for _, test := range refusedRequests {
		f.Add([]byte(test.input))
	}
	f.Fuzz(func(t *testing.T, in []byte) { besideRequest(t, in) })
}

// besideRequest reads a request here and in net/http, and tells whether it was
// accepted.
func besideRequest(t *testing.T, in []byte) bool {
	t.Helper()
	var r message.Request
	a, ok := ours(in, func(head []byte, b *Body) (*message.Header, error) {
		err := ParseRequest(head, Limits{}, &r)
		b.Reset(r.Length)
		return &r.Header, err
	})
	if !ok {
		return false
	}
	var q *http.Request
	skipped := len(in) - len(withoutEmptyLine(in))
	a.end -= skipped
	b := theirs(t, in[skipped:], func(br *bufio.Reader) (_ http.Header, _ io.ReadCloser, _ *http.Header, err error) {
		if q, err = http.ReadRequest(br); err != nil {
			return nil, nil, nil, err
		}
		return q.Header, q.Body, &q.Trailer, nil
	})
	compare(t, in, a, b)
	if string(r.Method) != q.Method || string(r.Target) != originForm(q) || !strings.EqualFold(string(r.Authority), q.Host) ||
		r.Length != q.ContentLength || r.Last != q.Close || r.Minor != q.ProtoMinor {
		t.Errorf("%q:\nhere     %s\nnet/http %s %s host %q length %d close %v", in, showRequest(&r), q.Method, q.RequestURI, q.Host, q.ContentLength, q.Close)
	}
	again(t, &r)
	return true
}

// originForm is the target of q as we rewrite it.
func originForm(q *http.Request) string {
	if !q.URL.IsAbs() {
		return q.RequestURI
	}
	rest := q.RequestURI[len("http://")+len(q.URL.Host):]
	switch {
	case rest == "" && q.Method == http.MethodOptions:
		return "*"
	case !strings.HasPrefix(rest, "/"):
		return "/" + rest
	}
	return rest
}

// again writes r and reads what it wrote.
func again(t *testing.T, r *message.Request) {
	t.Helper()
	var fields, second message.Request
	fields = *r
	fields.Header = message.Header{}
	message.EndToEnd(&fields.Header, &r.Header)
	wire := AppendRequest(nil, &fields)
	if err := ParseRequest(wire, Limits{Bytes: 1 << 20}, &second); err != nil || End(wire, 0) != len(wire) {
		t.Fatalf("%q is written as %q: %v", showRequest(r), wire, err)
	}
	second.Minor = r.Minor
	second.Header.Del(message.Connection)
	second.Header.Del(message.Upgrade)
	if a, b := strings.ToLower(showRequest(&fields)), strings.ToLower(showRequest(&second)); a != b {
		t.Errorf("%s becomes\n%s", a, b)
	}
}

// What fuzzing finds slowly: requests of fragments that are in dispute, in any
// mixture.
func TestRequestsOfFragments(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	end := func() string {
		return pick("\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n ", " \r\n")
	}
	accepted := 0
	for range 60_000 {
		in := pick("", "", "\r\n") + pick("POST", "GET", "OPTIONS", "get") + pick(" ", " ", "  ", "\t") +
			pick("/", "/a?b", "*", "http://a", "http://a/b", "http://b/", "//a", "/%41", "/%", "?a") + " " + pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2") + end()
		in += pick("Host: a", "Host: a", "Host:a", "host:\ta ", "Host : a", "Hos\x00t: a") + end()
		for range random.IntN(4) {
			in += pick("Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING", "Connection", "Trailer", "A", "Content_Length", "Expect", "Pragma") +
				pick(":", ":", ": ", ":\t", " :", ":\v") +
				pick("3", "3", "0", "03", "+3", "3,3", "chunked", "chunked", "Chunked", "chunked ", "gzip, chunked", "identity", "close", "keep-alive", "100-continue", "no-cache", "a", "", "\x80") + end()
		}
		in += "\r\n" + pick("", "abc", "3\r\nabc\r\n0\r\n\r\n", "3;a\r\nabc\r\n0\r\nA: b\r\n\r\nGET", "3\nabc\n0\n\n", "0\r\n\r\n", "0\r\nContent-Length: 3\r\n\r\nabc")
		if besideRequest(t, []byte(in)) {
			accepted++
		}
	}
	if accepted < 500 {
		t.Errorf("%d were accepted: that compares little", accepted)
	}
	t.Log(accepted, "accepted")
}

func FuzzResponse(f *testing.F) {
	methods := []string{"GET", "HEAD"}
	for i := range methods {
		for _, test := range responses {
			f.Add([]byte(test.input), uint8(i))
		}
		for _, test := range refusedResponses {
			f.Add([]byte(test.input), uint8(i))
		}
		for _, body := range laxChunks {
			f.Add([]byte(ok+"Transfer-Encoding: chunked\r\n\r\n"+body), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, method uint8) {
		m := methods[int(method)%len(methods)]
		var r message.Response
		a, ok := ours(in, func(head []byte, b *Body) (*message.Header, error) {
			err := ParseResponse(head, Limits{}, []byte(m), &r)
			if b.Reset(r.Length); r.UntilEOF {
				b.ResetUntilEOF()
			}
			return &r.Header, err
		})
		if !ok {
			return
		}
		var q *http.Response
		b := theirs(t, in, func(br *bufio.Reader) (_ http.Header, _ io.ReadCloser, _ *http.Header, err error) {
			if q, err = http.ReadResponse(br, &http.Request{Method: m, URL: new(url.URL)}); err != nil {
				return nil, nil, nil, err
			}
			return q.Header, q.Body, &q.Trailer, nil
		})
		compare(t, in, a, b)
		length := r.Length
		if r.Head {
			length = r.Declared // which may also be what 204 says of a body, and counts for nothing
		}
		if q.ContentLength != length && r.Status >= 200 && r.Status != 204 || r.Status != q.StatusCode {
			t.Errorf("%q:\nhere     %s\nnet/http %d length %d", in, showResponse(&r), q.StatusCode, q.ContentLength)
		}
		// 204 with a body is the one that we let end the connection and they do not.
		if r.Last != q.Close && r.Status != 204 {
			t.Errorf("%q: last is %v here, %v in net/http", in, r.Last, q.Close)
		}
	})
}

func FuzzChunked(f *testing.F) {
	for _, body := range laxChunks {
		f.Add([]byte(body), uint16(len(body)/2))
	}
	for _, test := range chunks {
		f.Add([]byte(test.input), uint16(7))
	}
	for _, test := range refusedChunks {
		f.Add([]byte(test.input), uint16(2))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		once := player{}
		once.feed(chunked + string(body))
		want := strings.Join(once.eof(), "\n")
		at := int(cut) % (len(body) + 1)
		twice := player{}
		twice.feed(chunked)
		twice.feed(string(body[:at]))
		twice.feed(string(body[at:]))
		if got := strings.Join(twice.eof(), "\n"); got != want {
			t.Errorf("%q cut at %d:\n%s\nat once:\n%s", body, at, got, want)
		}

		in := []byte(chunked + string(body))
		a, ok := ours(in, func(head []byte, b *Body) (*message.Header, error) {
			var r message.Request
			err := ParseRequest(head, Limits{}, &r)
			b.Reset(r.Length)
			return &r.Header, err
		})
		if !ok {
			return
		}
		compare(t, in, a, theirs(t, in, func(br *bufio.Reader) (http.Header, io.ReadCloser, *http.Header, error) {
			q, err := http.ReadRequest(br)
			if err != nil {
				return nil, nil, nil, err
			}
			return q.Header, q.Body, &q.Trailer, nil
		}))
	})
}
