package http2

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// backend is one of net/http's, over HTTP/2 in the clear.
func backend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

// echo answers with what it was sent, and its trailers.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Path", r.URL.RequestURI())
	w.Header().Set("X-Host", r.Host)
	w.Header().Set("X-Cookie", r.Header.Get("Cookie"))
	w.Header().Set("Trailer", "X-Sum")
	w.WriteHeader(201)
	n, _ := io.Copy(w, r.Body)
	w.Header().Set("X-Sum", fmt.Sprint(n, r.Trailer.Get("X-Client")))
}

func TestRelayBetweenNetHTTP(t *testing.T) {
	front := relay(t, backend(t, echo), 2)
	c := client(t)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 20 {
				size := []int{0, 1, 25, 1000, 70000, 300000}[(i+j)%6]
				body := bytes.Repeat([]byte{byte(i)}, size)
				var from io.Reader = bytes.NewReader(body)
				if j%2 == 1 {
					from = struct{ io.Reader }{from} // of unknown length
				}
				r, _ := http.NewRequest("POST", fmt.Sprintf("http://%s/%d?x=%d", front, i, j), from)
				r.Header.Add("Cookie", "a=1")
				r.Header.Add("X-Long", strings.Repeat("l", 20000*(j%2)))
				if r.Body != http.NoBody { // net/http forgets the trailers of an empty body
					r.Trailer = http.Header{"X-Client": {"!"}}
				}
				resp, err := c.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				want := fmt.Sprint(size, "!")
				if size == 0 && j%2 == 0 {
					want = "0"
				}
				if err != nil || resp.StatusCode != 201 || !bytes.Equal(got, body) || resp.Trailer.Get("X-Sum") != want {
					t.Errorf("%d bytes: %v, %s, %d bytes, %v", size, err, resp.Status, len(got), resp.Trailer)
				}
				if h := resp.Header; h.Get("X-Method") != "POST" || h.Get("X-Path") != fmt.Sprintf("/%d?x=%d", i, j) || h.Get("X-Host") != front || h.Get("X-Cookie") != "a=1" {
					t.Errorf("%v", h)
				}
			}
		})
	}
	wg.Wait()
}
