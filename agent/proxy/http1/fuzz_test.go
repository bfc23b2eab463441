package http1

import (
	"bufio"
	"bytes"
	"io"
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
