package backend

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serving(t *testing.T) Addresses {
	t.Helper()
	b, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.Serve(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return b.Addresses()
}

func TestHTTP(t *testing.T) {
	base := "http://" + serving(t).HTTP
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, test := range []struct {
		method, path string
		body         int
		status, size int
	}{
		{"GET", "/1024", 0, 200, 1024},
		{"GET", "/0", 0, 200, 0},
		{"POST", "/1024", 100, 200, 1024},
		{"POST", "/1024", 1 << 20, 200, 1024}, // more than it holds
		{"GET", "/1048576", 0, 200, 1 << 20},
		{"GET", "/1048577", 0, 404, 0},
		{"GET", "/favicon.ico", 0, 404, 0},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, base+test.path, strings.NewReader(strings.Repeat("y", test.body)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", test.method, test.path, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || len(body) != test.size {
			t.Errorf("%s %s with %d bytes: %s, %d bytes, %v", test.method, test.path, test.body, resp.Status, len(body), err)
		}
	}
}

func TestHTTPClose(t *testing.T) {
	conn := dial(t, serving(t).HTTP)
	// The second of them has to be answered although the first came with it.
	if _, err := conn.Write([]byte("GET /3 HTTP/1.1\r\n\r\nGET /4 HTTP/1.1\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || bytes.Count(all, []byte("HTTP/1.1 200 OK")) != 2 || !bytes.HasSuffix(all, []byte("\r\n\r\nxxxx")) {
		t.Errorf("%q, %v", all, err)
	}
}

// TestHTTPLongBody has another request follow a body that does not fit into
// the buffer.
func TestHTTPLongBody(t *testing.T) {
	conn := dial(t, serving(t).HTTP)
	body := strings.Repeat("y", 1<<20)
	if _, err := conn.Write([]byte("POST /3 HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n" + body + "GET /4 HTTP/1.1\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil || bytes.Count(all, []byte("HTTP/1.1 200 OK")) != 2 || !bytes.HasSuffix(all, []byte("\r\n\r\nxxxx")) {
		t.Errorf("%q, %v", all, err)
	}
}

func TestHTTPRefusesChunks(t *testing.T) {
	conn := dial(t, serving(t).HTTP)
	if _, err := conn.Write([]byte("POST /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if all, _ := io.ReadAll(conn); !bytes.HasPrefix(all, []byte("HTTP/1.1 400")) {
		t.Errorf("%q", all)
	}
}

func TestTCP(t *testing.T) {
	conn := dial(t, serving(t).TCP)
	for _, a := range []wire.Ask{{Size: 1024, Answer: 1024}, {Size: 8, Answer: 1 << 20}, {Size: 20, Answer: 3, Last: true}} {
		if _, err := conn.Write(a.Bytes()); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, a.Answer)); err != nil {
			t.Fatalf("%+v: %v", a, err)
		}
	}
	if n, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the last ask came %d bytes, %v", n, err)
	}
}

func TestH2C(t *testing.T) {
	base := "http://" + serving(t).H2C
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for range 3000 { // more than fit into the first window
		req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/a.Service/Method", strings.NewReader(wire.Message))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != wire.Message || resp.Trailer.Get("Grpc-Status") != "0" {
			t.Fatalf("%q, %v, trailers %v", body, err, resp.Trailer)
		}
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
