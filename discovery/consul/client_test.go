package consul

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
)

// consulIs answers like a Consul by a function.
func consulIs(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

func clientOf(t *testing.T, c Config) *Client {
	t.Helper()
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestErrorsAreSorted(t *testing.T) {
	status := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Consul-Index", "1") // of no meaning with an error
			http.Error(w, text, code)
		}
	}
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		class   string
		pause   time.Duration
		says    string
	}{
		{"no leader", status(500, "No cluster leader"), "server", 0, "No cluster leader"},
		{"denied", status(403, "ACL not found"), "denied", 10 * time.Second, "ACL not found"},
		{"too many", status(429, "slow down"), "overloaded", 5 * time.Second, "slow down"},
		{"unavailable", status(503, "later"), "overloaded", 5 * time.Second, "later"},
		{"wrong request", status(400, "Invalid wait time"), "request", 0, "Invalid wait time"},
		{"null", answer("null"), "answer", 0, "null"},
		{"garbage", answer("<html>"), "answer", 0, "invalid character"},
		{"nothing", answer(""), "answer", 0, "EOF"},
		{"truncated", answer(`[{"Node": {"Node": "a"`), "answer", 0, "EOF"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "[")
		}, "answer", 0, "EOF"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "network", 0, "EOF"},
		{"too large", answer("[" + strings.Repeat(" ", 10000) + "]"), "answer", 0, "larger than 5000 bytes"},
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timeout", 0, "deadline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := consulIs(t, tt.handler)
			limit := 10 * time.Second
			if tt.class == "timeout" {
				limit = 100 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			client := clientOf(t, Config{Address: address})
			client.road.limit = 5000
			_, err := client.Source(Query{Service: "web"}).Fetch(ctx, 0)
			known, ok := errors.AsType[*discovery.Error](err)
			if !ok || known.Class != tt.class || known.Pause != tt.pause {
				t.Fatalf("got %#v", err)
			}
			for _, part := range []string{tt.says, address, `"web"`} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		})
	}
	t.Run("refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		_, err = clientOf(t, Config{Address: l.Addr().String()}).Source(Query{Service: "web"}).Fetch(t.Context(), 0)
		if known, ok := errors.AsType[*discovery.Error](err); !ok || known.Class != "network" || known.Pause != 0 {
			t.Errorf("got %#v", err)
		}
	})
}

// Names go into the path as they are, so that not all of them may.
func TestNamesThatWouldAskForSomethingElse(t *testing.T) {
	client := clientOf(t, Config{Address: "127.0.0.1:1"})
	for _, name := range []string{"", ".", "..", "../../kv/secret", "a/b", "a\nb"} {
		_, err := client.Source(Query{Service: name}).Fetch(t.Context(), 0)
		if err == nil || !strings.Contains(err.Error(), "no name of a service") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// P9: an answer is bounded by what it unpacks to.
func TestPackedAnswersAreBounded(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte(" "), 1<<20))
	z.Close()
	address := consulIs(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	client := clientOf(t, Config{Address: address})
	client.road.limit = 100_000
	if _, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "larger than 100000") {
		t.Errorf("%d bytes unpacked without end: %v", packed.Len(), err)
	}
	if largest != 64<<20 {
		t.Errorf("the largest answer is %d bytes", largest)
	}
}

// Headers that are missing or unreadable are no error, and say nothing.
func TestHeadersOfNoUse(t *testing.T) {
	for name, headers := range map[string]map[string]string{
		"none":            {},
		"unreadable":      {"X-Consul-Index": "x", "X-Consul-Lastcontact": "y"},
		"negative":        {"X-Consul-Index": "-4"},
		"no last contact": {"X-Consul-Index": "0", "X-Consul-Knownleader": "true"},
	} {
		address := consulIs(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range headers {
				w.Header().Set(k, v)
			}
			_, _ = io.WriteString(w, "[]")
		})
		s, err := clientOf(t, Config{Address: address}).Source(Query{Service: "web"}).Fetch(t.Context(), 0)
		if err != nil || s.Index != 0 || s.Origin.Leader {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// What is asked of Consul, parameter by parameter.
func TestQueries(t *testing.T) {
	var got *http.Request
	address := consulIs(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("X-Consul-Index", "42")
		_, _ = io.WriteString(w, "[]")
	})
	client := clientOf(t, Config{Address: "http://" + address, Datacenter: "dc1", Token: "secret", Wait: 90 * time.Second})
	s, err := client.Source(Query{Service: "web", Filter: FilterOf([]string{"v2"}, ""), Near: "_agent"}).Fetch(t.Context(), 41)
	if err != nil || s.Index != 42 || s.At.IsZero() || len(s.Instances) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if got.URL.Path != "/v1/health/service/web" || got.Header.Get("X-Consul-Token") != "secret" {
		t.Errorf("asked %s with token %q", got.URL.Path, got.Header.Get("X-Consul-Token"))
	}
	wait, _ := time.ParseDuration(got.URL.Query().Get("wait"))
	if wait < 90*time.Second || wait > client.Wait() || client.Wait() != 135*time.Second {
		t.Errorf("asked to wait for %v of %v", wait, client.Wait())
	}
	want := map[string]string{"index": "41", "wait": got.URL.Query().Get("wait"), "stale": "", "filter": `"v2" in Service.Tags`, "near": "_agent", "dc": "dc1"}
	q := got.URL.Query()
	for name, value := range want {
		if !q.Has(name) || q.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, q[name], value)
		}
	}
	for name := range q {
		if _, ok := want[name]; !ok {
			t.Errorf("asked with %s=%q too", name, q[name])
		}
	}
	_, _ = client.Source(Query{Service: "web", Datacenter: "dc2", Namespace: "team", Partition: "part"}).Fetch(t.Context(), 0)
	if q := got.URL.Query(); q.Get("dc") != "dc2" || q.Get("ns") != "team" || q.Get("partition") != "part" || q.Has("index") {
		t.Errorf("asked with %v", q)
	}
	_, _ = client.Source(Query{Service: "web", Peer: "east", Namespace: "team"}).Fetch(t.Context(), 0)
	if q := got.URL.Query(); q.Get("peer") != "east" || q.Has("dc") || q.Get("ns") != "team" {
		t.Errorf("asked with %v", q)
	}
}

// Nodes of two datacenters may have the same names.
func TestInstancesElsewhereAreToldApart(t *testing.T) {
	address := consulIs(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"Node":{"Node":"n1","Address":"10.0.0.1"},"Service":{"ID":"web","Port":80}}]`)
	})
	client := clientOf(t, Config{Address: address, Datacenter: "dc1"})
	for dc, want := range map[string]string{"": "n1/web", "dc1": "n1/web", "dc2": "dc2/n1/web"} {
		s, err := client.Source(Query{Service: "web", Datacenter: dc}).Fetch(t.Context(), 0)
		if err != nil || s.Instances[0].ID != want {
			t.Errorf("in %q: %+v, %v", dc, s.Instances, err)
		}
	}
}

func TestAddressFromTheEnvironment(t *testing.T) {
	address := consulIs(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") })
	t.Setenv("CONSUL_HTTP_ADDR", address)
	client := clientOf(t, Config{})
	if _, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 0); err != nil || client.Address() != address {
		t.Errorf("%s: %v", client.Address(), err)
	}
}

func TestSocketAndTLS(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") })
	path := filepath.Join(t.TempDir(), "consul.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	client := clientOf(t, Config{Address: "unix://" + path})
	if _, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 0); err != nil {
		t.Errorf("over a socket: %v", err)
	}
	if client.Address() != "unix://"+path {
		t.Errorf("is said to be at %s", client.Address())
	}

	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	for insecure, good := range map[bool]bool{true: true, false: false} {
		client := clientOf(t, Config{Address: secure.URL, TLS: TLS{InsecureSkipVerify: insecure}})
		if _, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 0); (err == nil) != good {
			t.Errorf("with verification %v: %v", !insecure, err)
		}
	}
	if _, err := New(Config{TLS: TLS{CAFile: path + ".gone"}}); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("a CA file that is not there: %v", err)
	}
}

// A thousand queries that are given up leave no connection and no goroutine.
func TestCancelledQueriesLeaveNothing(t *testing.T) {
	address := consulIs(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	client := clientOf(t, Config{Address: address})
	done := make(chan struct{})
	for i := range 1000 {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*time.Millisecond)
			defer cancel()
			_, _ = client.Source(Query{Service: fmt.Sprint("s", i)}).Fetch(ctx, 1)
			done <- struct{}{}
		}()
	}
	for range 1000 {
		<-done
	}
	// goleak, at the end, finds what is left.
}
