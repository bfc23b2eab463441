package proxy

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

func TestRequestReachesTheBackendAsItWas(t *testing.T) {
	type seen struct {
		method, uri, host, body string
		header                  http.Header
		length                  int64
	}
	var got seen
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.ContentLength}
		w.Header().Set("X-Answer", "yes")
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	}))
	req, _ := http.NewRequest("PATCH", "http://"+f.address+"/a%2Fb//c/../d;x?q=1;2&q=%20+", strings.NewReader("hello"))
	req.Host = "payments.internal"
	req.Header = http.Header{
		"X-Mine":              {"1", "2"},
		"Connection":          {"X-Hop, x-forwarded-for, HOST, Traceparent"},
		"X-Hop":               {"mine"},
		"Keep-Alive":          {"timeout=5"},
		"Proxy-Authorization": {"secret"},
		"Te":                  {"trailers, deflate"},
		"Traceparent":         {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"X-Forwarded-For":     {"203.0.113.9"},
		"X-Forwarded-Proto":   {"https"},
		"Via":                 {"1.1 edge"},
		"Cookie":              {"session=1"},
	}
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, resp); resp.StatusCode != http.StatusTeapot || body != "short and stout" {
		t.Errorf("answer %d %q", resp.StatusCode, body)
	}
	if resp.Header.Get("X-Answer") != "yes" || !slices.Equal(resp.Header["Set-Cookie"], []string{"a=1", "b=2"}) {
		t.Errorf("headers of the answer: %v", resp.Header)
	}
	if _, ok := resp.Header["Content-Type"]; ok && resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("content type %q", resp.Header.Get("Content-Type"))
	}
	if got.method != "PATCH" || got.uri != "/a%2Fb//c/../d;x?q=1;2&q=%20+" || got.host != "payments.internal" || got.body != "hello" || got.length != 5 {
		t.Errorf("the backend got %+v", got)
	}
	want := http.Header{
		"X-Mine":            {"1", "2"},
		"Connection":        {"TE"}, // RFC 9110 section 10.1.4
		"Te":                {"trailers"},
		"Traceparent":       {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"X-Forwarded-For":   {"203.0.113.9, 127.0.0.1"},
		"X-Forwarded-Host":  {"payments.internal"},
		"X-Forwarded-Proto": {"https"},
		"Via":               {"1.1 edge, 1.1 outrigger"},
		"Cookie":            {"session=1"},
		"Content-Length":    {"5"},
		"User-Agent":        {"Go-http-client/1.1"},
	}
	for name := range got.header {
		if !slices.Equal(got.header[name], want[name]) {
			t.Errorf("the backend got %s %q, want %q", name, got.header[name], want[name])
		}
	}
	for name := range want {
		if _, ok := got.header[name]; !ok {
			t.Errorf("the backend did not get %s", name)
		}
	}
}

// An answer passes as it is: nothing is guessed, added or left out.
func TestAnswerReachesTheClientAsItWas(t *testing.T) {
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		for {
			req := readHead(r)
			if req == nil {
				return
			}
			switch req.URL.Path {
			case "/bare":
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n<html>")
			case "/empty":
				_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")
			case "/unchanged":
				_, _ = io.WriteString(conn, "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\nContent-Length: 100\r\n\r\n")
			case "/head":
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
			case "/chunks":
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-Sum: 42\r\nX-Late: 1\r\n\r\n")
			}
		}
	})
	f := startHTTP(t, defaults(), address)
	resp, body := get(t, "http://"+f.address+"/bare")
	if _, ok := resp.Header["Content-Type"]; ok || body != "<html>" || resp.Header.Get("X-Hop") != "" {
		t.Errorf("%v %q", resp.Header, body)
	}
	if resp, body := get(t, "http://"+f.address+"/empty"); resp.StatusCode != 204 || body != "" || resp.Header.Get("X-A") != "b" {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
	if resp, body := get(t, "http://"+f.address+"/unchanged"); resp.StatusCode != 304 || body != "" || resp.Header.Get("Etag") != `"x"` {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
	if resp, err := client(t).Head("http://" + f.address + "/head"); err != nil || resp.ContentLength != 1234 {
		t.Errorf("HEAD: %v, length %d", err, resp.ContentLength)
	}
	resp, body = get(t, "http://"+f.address+"/chunks")
	if body != "hello" || resp.Trailer.Get("X-Sum") != "42" || resp.Trailer.Get("X-Late") != "1" {
		t.Errorf("%q, trailers %v", body, resp.Trailer)
	}
}

func TestForwardedFieldsOfStrangersAreDropped(t *testing.T) {
	r := &message.Request{Peer: netip.MustParseAddrPort("192.0.2.1:999"), Authority: []byte("web"), Major: 1}
	for _, f := range []string{"X-Forwarded-For: 10.0.0.1", "x-forwarded-proto: https", "X-FORWARDED-HOST: bank", "Forwarded: for=10.0.0.1", "X-A: b"} {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.AddNamed(name, value)
	}
	var out message.Request
	new(forwarding).forward(&out, r)
	var got []string
	for f := range out.Header.All() {
		got = append(got, string(f.Name)+": "+string(f.Value))
	}
	want := []string{"X-A: b", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: web", "X-Forwarded-Proto: http", "Via: 1.0 outrigger"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOldAndNewVersionsOfHTTP(t *testing.T) {
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "a")
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	if got := raw(t, f.address, "GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(got, "HTTP/1.1") {
		t.Errorf("HTTP/1.0 got %q", got)
	}
	if got := raw(t, f.address, "GET /stream HTTP/1.0\r\n\r\n"); strings.Contains(got, "chunked") || !strings.HasSuffix(got, "\r\n\r\naHTTP/1.1") {
		t.Errorf("HTTP/1.0 got %q", got)
	}
	two := strings.Repeat("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2) + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	if got := raw(t, f.address, two); strings.Count(got, "HTTP/1.1 200 OK") != 3 {
		t.Errorf("three requests in one write got %q", got)
	}
	resp, err := h2cClient(t).Get("http://" + f.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, resp); resp.ProtoMajor != 2 || body != "HTTP/1.1" {
		t.Errorf("HTTP/2 got HTTP/%d, the backend spoke %s", resp.ProtoMajor, body)
	}
	o := defaults()
	o.Backend = H2C
	f = startHTTP(t, o, backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	if _, body := get(t, "http://"+f.address+"/"); body != "HTTP/2.0" {
		t.Errorf("with backend_protocol h2c the backend spoke %s", body)
	}
}

func TestUnixSockets(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	f := startHTTP(t, defaults(), "unix://"+socket)
	if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != f.address {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	f = startHTTP(t, defaults(), "unix://"+socket+".gone")
	if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode != 502 || !strings.Contains(resp.Header.Get("Proxy-Status"), "connection_refused") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

func TestOwnAnswers(t *testing.T) {
	for _, tt := range []struct {
		name     string
		backends []string
		options  func(*Options)
		request  string
		status   int
		token    string
		text     string
	}{
		{"no backend", nil, nil, "", 503, "destination_unavailable", "there is no usable backend: there are no servers"},
		{"refused", []string{refusing(t)}, nil, "", 502, "connection_refused", "refused"},
		{"no such name", []string{"no-such-host.invalid:80"}, nil, "", 502, "dns_error", "resolved"},
		{"CONNECT", nil, nil, "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", 405, "http_request_error", "CONNECT"},
		{"garbage", nil, nil, "this is all rubbish\r\n\r\n", 400, "http_request_error", "the version of HTTP is malformed"},
		{"two lengths", nil, nil, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "http_request_error", "Content-Length is repeated"},
		{"unknown coding", nil, nil, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "http_request_error", "transfer"},
		{"large head", nil, nil, "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", 431, "http_request_error", "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := defaults()
			if tt.options != nil {
				tt.options(&o)
			}
			f := startHTTP(t, o, tt.backends...)
			request := tt.request
			if request == "" {
				request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
			}
			answer := raw(t, f.address, request)
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
			if err != nil {
				t.Fatalf("%v in %q", err, answer)
			}
			body := bodyOf(t, resp)
			status := resp.Header.Get("Proxy-Status")
			if resp.StatusCode != tt.status || !strings.HasPrefix(status, "outrigger; error="+tt.token) {
				t.Errorf("%d, Proxy-Status %q", resp.StatusCode, status)
			}
			if !strings.Contains(body, tt.text) || !strings.Contains(body, `upstream "web"`) || strings.Count(body, "\n") != 1 {
				t.Errorf("body %q", body)
			}
			if (resp.StatusCode == 503) != (resp.Header.Get("Retry-After") != "") {
				t.Errorf("Retry-After %q with %d", resp.Header.Get("Retry-After"), resp.StatusCode)
			}
			if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
				t.Errorf("content type %q", resp.Header.Get("Content-Type"))
			}
		})
	}
}

// A client that stalls in its upload is no fault of the backend.
func TestStalledUpload(t *testing.T) {
	o := defaults()
	o.Timeouts.Idle = 100 * time.Millisecond
	f := startHTTP(t, o, backend(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	answer := raw(t, f.address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf")
	if !strings.HasPrefix(answer, "HTTP/1.1 504") || !strings.Contains(answer, `timeout "idle"`) {
		t.Errorf("got %q", answer)
	}
	pr, pw := io.Pipe()
	defer pw.Close()
	go func() { _, _ = io.WriteString(pw, "half") }()
	req, _ := http.NewRequest(http.MethodPost, "http://"+f.address+"/", pr)
	resp, err := h2cClient(t).Do(req)
	if err != nil {
		t.Fatalf("over HTTP/2: %v", err)
	}
	if body := bodyOf(t, resp); resp.StatusCode != 504 || !strings.Contains(body, `timeout "idle"`) {
		t.Errorf("over HTTP/2: %d %q", resp.StatusCode, body)
	}
	settled(t, f)
	if st := statsOf(t, f, 0); st.Failures != 0 {
		t.Error("the backend was blamed")
	}
}

func TestClientThatLeavesInItsUpload(t *testing.T) {
	f := startHTTP(t, defaults(), backend(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
	for f.Balancer.Stats().Active == 0 {
		runtime.Gosched()
	}
	conn.Close()
	for f.Meter.Requests.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	settled(t, f)
	if st := statsOf(t, f, 0); st.Failures != 0 || f.Meter.Errors.Load() != 0 {
		t.Errorf("%d failures, %d errors: %v", st.Failures, f.Meter.Errors.Load(), f.Meter.Failures())
	}
}

// After an early answer a client that neither goes on nor goes away is not
// waited for.
func TestB14EarlyAnswerToAStalledClient(t *testing.T) {
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
	}))
	begin := time.Now()
	answer := raw(t, f.address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
	if took := time.Since(begin); !strings.HasPrefix(answer, "HTTP/1.1 403") || !strings.Contains(answer, "Connection: close") || took > 5*time.Second {
		t.Errorf("got %q after %v", answer, took)
	}
}

// What is left of a request that was answered early, or given up, must never
// be taken for the next request on its connection.
func TestB14RestOfARequestIsNotTheNext(t *testing.T) {
	o := defaults()
	o.Timeouts.Idle = 100 * time.Millisecond
	var paths []string
	var mu sync.Mutex
	f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		if r.URL.Path == "/early" {
			w.WriteHeader(http.StatusForbidden)
			_ = http.NewResponseController(w).Flush()
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	rest := "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, path := range []string{"/early", "/stalled"} {
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", path, len(rest))
		reader := bufio.NewReader(conn)
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = bodyOf(t, resp)
		_, _ = io.WriteString(conn, rest)
		if next, err := http.ReadResponse(reader, nil); err == nil {
			t.Errorf("%s: the rest was answered with %d", path, next.StatusCode)
		}
		conn.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if slices.Contains(paths, "/smuggled") {
		t.Errorf("the backend got %v", paths)
	}
}

// A client that leaves in the middle of an answer is no fault of the backend
// either, and no error of ours.
func TestClientThatLeavesHalfWay(t *testing.T) {
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 64<<10))
		}
	}))
	resp, err := client(t).Get("http://" + f.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<20)
	resp.Body.Close()
	settled(t, f)
	if st := statsOf(t, f, 0); st.Failures != 0 || f.Meter.Errors.Load() != 0 {
		t.Errorf("%d failures, %d errors: %v", st.Failures, f.Meter.Errors.Load(), f.Meter.Failures())
	}
}

func TestRetriesNeverAskTheSameTwice(t *testing.T) {
	var order []string
	var mu sync.Mutex
	peer := func(name string) string {
		address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
			readHead(r)
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
			reset(conn)
		})
		return address
	}
	o := defaults()
	o.Retry.Max = 5
	f := startHTTP(t, o, peer("a"), peer("b"), peer("c"))
	resp, _ := get(t, "http://"+f.address+"/")
	if resp.StatusCode != 502 || !strings.Contains(resp.Header.Get("Proxy-Status"), "connection_terminated") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("asked %v", order)
	}
}

func TestRetryBudgetBoundsTheLoad(t *testing.T) {
	o := defaults()
	o.Retry = Retry{Max: 1, BudgetPercent: 20}
	good := backend(t, func(http.ResponseWriter, *http.Request) {})
	f := startHTTP(t, o, refusing(t), good)
	ok := 0
	for range 100 {
		if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode == 200 {
			ok++
		}
	}
	if ok != 20 || f.Meter.Retries.Load() != 20 || f.Meter.Denied.Load() != 80 {
		t.Errorf("of 100 requests %d were retried (%d, %d denied), want the budget of 20", ok, f.Meter.Retries.Load(), f.Meter.Denied.Load())
	}
}

func TestTimeoutsNameThemselves(t *testing.T) {
	silent, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	stalling, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		readHead(r)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		_, _ = r.ReadByte()
	})
	for _, tt := range []struct {
		name, address string
		set           func(*Timeouts)
		status        int
		kind          Kind
		fails         int64
	}{
		{"first_byte", silent, func(ts *Timeouts) { ts.FirstByte = 50 * time.Millisecond }, 504, FirstByteTimeout, 1},
		{"request", silent, func(ts *Timeouts) { ts.Request = 50 * time.Millisecond }, 504, RequestTimeout, 0},
		{"idle", stalling, func(ts *Timeouts) { ts.Idle = 50 * time.Millisecond }, 0, IdleTimeout, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := defaults()
			o.Retry.Max = 0
			tt.set(&o.Timeouts)
			f := startHTTP(t, o, tt.address)
			resp, err := client(t).Get("http://" + f.address + "/")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if tt.status == 0 {
				if err == nil {
					t.Error("an answer that stalled for too long ended as if complete")
				}
			} else if resp.StatusCode != tt.status || !strings.Contains(string(body), `timeout "`+tt.name+`"`) {
				t.Errorf("%d %q", resp.StatusCode, body)
			}
			settled(t, f)
			if n := f.Meter.Failures()[tt.kind]; n != 1 {
				t.Errorf("counted %v", f.Meter.Failures())
			}
			if got := statsOf(t, f, 0).Failures; got != tt.fails {
				t.Errorf("%d failures held against the backend, want %d", got, tt.fails)
			}
		})
	}
}

// A slow reader is no fault of the backend, and no reason to end the answer.
func TestSlowClientIsNoIdleBackend(t *testing.T) {
	const size = 64 << 20 // more than the kernel keeps
	o := defaults()
	o.Timeouts.Idle = 500 * time.Millisecond
	f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = io.Copy(w, &repeated{size, make([]byte, 64<<10)})
	}))
	resp, err := client(t).Get("http://" + f.address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	time.Sleep(1500 * time.Millisecond) // longer than the idle timeout, with the buffers full
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestLimitOnRequests(t *testing.T) {
	release := make(chan struct{})
	o := defaults()
	o.Limits.MaxRequests = 2
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) { <-release }))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { get(t, "http://"+f.address+"/") })
	}
	for f.Meter.Active.Load() < 2 {
		runtime.Gosched()
	}
	resp, body := get(t, "http://"+f.address+"/")
	close(release)
	wg.Wait()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "max_requests = 2") {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
}

func TestFullBackendsAre503(t *testing.T) {
	release := make(chan struct{})
	o := defaults()
	o.Balancer = lb.New(nil)
	if err := o.Balancer.Add(lb.Server{ID: "0", Address: backend(t, func(http.ResponseWriter, *http.Request) { <-release }), MaxConnections: 1}); err != nil {
		t.Fatal(err)
	}
	f := startHTTP(t, o)
	done := make(chan struct{})
	go func() { get(t, "http://"+f.address+"/"); close(done) }()
	for f.Balancer.Stats().Active < 1 {
		runtime.Gosched()
	}
	resp, body := get(t, "http://"+f.address+"/")
	close(release)
	<-done
	if resp.StatusCode != 503 || !strings.Contains(resp.Header.Get("Proxy-Status"), "connection_limit_reached") || !strings.Contains(body, "at its limit") {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
}

func TestInterimAnswersPass(t *testing.T) {
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("X-Final", "1")
		_, _ = io.WriteString(w, "done")
	}))
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+f.address+"/", nil)
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, resp); body != "done" || resp.Header.Get("Link") != "" || resp.Header.Get("X-Final") != "1" {
		t.Errorf("%q %v", body, resp.Header)
	}
	if !slices.Equal(hints, []string{"103 </style.css>; rel=preload"}) {
		t.Errorf("interim answers: %q", hints)
	}
}

// An answer may come before the request's body has ended, and both go on.
func TestBodiesFlowBothWaysAtOnce(t *testing.T) {
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 1)
		for {
			if _, err := r.Body.Read(buf); err != nil && buf[0] == 0 {
				return
			}
			_, _ = w.Write(buf)
			_ = http.NewResponseController(w).Flush()
			if buf[0] == '.' {
				return
			}
			buf[0] = 0
		}
	}))
	keptAlive := &http.Transport{}
	defer keptAlive.CloseIdleConnections()
	for _, c := range []*http.Client{client(t), {Transport: keptAlive, Timeout: 10 * time.Second}, h2cClient(t)} {
		pr, pw := io.Pipe()
		req, _ := http.NewRequest("POST", "http://"+f.address+"/", pr)
		go func() { _, _ = pw.Write([]byte("a")) }()
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1)
		for _, letter := range "bcd." {
			if _, err := io.ReadFull(resp.Body, buf); err != nil {
				t.Fatal(err)
			}
			if _, err := pw.Write([]byte(string(letter))); err != nil {
				t.Fatal(err)
			}
		}
		if rest, err := io.ReadAll(resp.Body); string(rest) != "." || err != nil {
			t.Errorf("%q %v", rest, err)
		}
		pw.Close()
		resp.Body.Close()
	}
}

// repeated yields n bytes without holding them.
type repeated struct {
	left  int64
	block []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.block)
	r.left -= int64(n)
	return n, nil
}

func TestAGibibytePassesInFlatMemory(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	block := make([]byte, 64<<10)
	_, _ = rand.Read(block)
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != size {
			http.Error(w, fmt.Sprint(n, err), 500)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = io.Copy(w, &repeated{size, block})
	}))
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var m runtime.MemStats
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapAlloc))
			}
		}
	}()
	req, _ := http.NewRequest("POST", "http://"+f.address+"/", &repeated{size, block})
	req.ContentLength = size
	c := client(t)
	c.Timeout = 2 * time.Minute
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	close(stop)
	<-stopped
	if n != size || err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d bytes, %v, status %d", n, err, resp.StatusCode)
	}
	if peak.Load() > 32<<20 {
		t.Errorf("the heap grew to %d MiB", peak.Load()>>20)
	}
}

// faulty is an observer with a bug.
type faulty struct{ Unobserved }

func (faulty) Begin(r *message.Request) Exchange {
	if string(r.Path()) == "/late" {
		return faultyExchange{}
	}
	return unobserved{}
}

type faultyExchange struct{ unobserved }

func (faultyExchange) Attempt(*message.Request, *lb.Server, int, string) Attempt { panic("a bug") }

func TestS10AFaultCostsOneRequest(t *testing.T) {
	o := defaults()
	o.Observer = faulty{}
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) {}))
	resp, _ := get(t, "http://"+f.address+"/late")
	if resp.StatusCode != 502 || !strings.Contains(resp.Header.Get("Proxy-Status"), "proxy_internal_error") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 {
		t.Errorf("the next request got %d", resp.StatusCode)
	}
	settled(t, f)
}

func TestConservation(t *testing.T) {
	var n atomic.Int64
	o := defaults()
	o.Retry.BudgetPercent = 100
	f := startHTTP(t, o, refusing(t), backend(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%3 == 0 {
			w.WriteHeader(500)
		}
	}))
	statuses := make(map[int]int)
	for range 60 {
		resp, _ := get(t, "http://"+f.address+"/")
		statuses[resp.StatusCode]++
	}
	settled(t, f)
	if got := f.Meter.Requests.Load(); got != 60 || n.Load() != 60 || statuses[500] != 20 || f.Meter.Errors.Load() != 20 {
		t.Errorf("metered %d, backend %d, errors %d, client %v", got, n.Load(), f.Meter.Errors.Load(), statuses)
	}
	took := f.Meter.Took.Load()
	if q := took.Quantile(1); q <= 0 || took.Quantile(0.5) > q {
		t.Errorf("quantiles %v and %v", took.Quantile(0.5), q)
	}
	if got := statsOf(t, f, 0); got.Requests != 60 || got.Failures != 60 {
		t.Errorf("the refusing backend has %d requests, %d failures", got.Requests, got.Failures)
	}
}

// seeing is an observer that keeps who was seen.
type seeing struct {
	Unobserved
	peers chan netip.AddrPort
}

func (s seeing) Begin(r *message.Request) Exchange {
	s.peers <- r.Peer
	return unobserved{}
}

// Whose request cannot be understood is known nonetheless.
func TestRejectedClientsAreKnown(t *testing.T) {
	o := defaults()
	o.Observer = seeing{peers: make(chan netip.AddrPort, 1)}
	f := startHTTP(t, o)
	for _, request := range []string{"rubbish\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"} {
		raw(t, f.address, request)
		if peer := <-o.Observer.(seeing).peers; !peer.Addr().IsLoopback() || peer.Port() == 0 {
			t.Errorf("%q came from %v", request, peer)
		}
	}
}

// A steady request over HTTP/1.1 allocates nothing, whether it has a body or
// not, nor does it with sessions and rules to apply.
func TestHTTPAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok")
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		request := make([]byte, 4096)
		for {
			if _, err := r.Read(request); err != nil { // they come whole
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	})
	for name, request := range map[string]string{
		"GET":  "GET /a?b=c HTTP/1.1\r\nHost: web\r\nAccept: */*\r\nCookie: a=1; lb=0123456789abcdef\r\n\r\n",
		"POST": "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello",
	} {
		t.Run(name, func(t *testing.T) {
			o := defaults()
			o.Sticky = Sticky{Cookie: "lb", Path: "/"}
			f := startHTTP(t, o, address)
			conn := dialed(t, f)
			sent, got := []byte(request), make([]byte, 4096)
			once := func() {
				if _, err := conn.Write(sent); err != nil {
					t.Fatal(err)
				}
				if n, err := conn.Read(got); err != nil || !bytes.HasPrefix(got[:n], []byte("HTTP/1.1 200")) {
					t.Fatalf("%q, %v", got[:n], err)
				}
			}
			for range 10 { // what is kept grows to what is needed
				once()
			}
			if n := testing.AllocsPerRun(500, once); n > 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
