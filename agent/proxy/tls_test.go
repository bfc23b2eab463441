package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure/securetest"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// secured are options with TLS.
func secured(t testing.TB, c secure.Config) Options {
	t.Helper()
	o := defaults()
	client, err := secure.New(c, secure.Events{})
	if err != nil {
		t.Fatal(err)
	}
	o.TLS = client
	return o
}

// trusting are such that trust a CA for 127.0.0.1.
func trusting(t testing.TB, ca *securetest.CA) Options {
	return secured(t, secure.Config{CAFile: ca.File})
}

// secureBackend serves HTTP/1.1 over TLS, and HTTP/2 where that is offered.
func secureBackend(t testing.TB, c *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS, s.EnableHTTP2 = c, true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

func serving(certificates ...tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: certificates, NextProtos: []string{"h2", "http/1.1"}}
}

// rawSecureBackend is rawBackend over TLS.
func rawSecureBackend(t testing.TB, c *tls.Config, script func(conn *tls.Conn, r *bufio.Reader)) (address string, handshakes *atomic.Int64) {
	return rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		secured := tls.Server(peeked{conn, r}, c)
		if secured.Handshake() == nil {
			script(secured, bufio.NewReader(secured))
		}
	})
}

// peeked is a connection of which something was read already.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

func TestHTTPS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	var mu sync.Mutex
	peers := make(map[string]bool)
	address := secureBackend(t, serving(ca.For(t, "web.internal")), func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		peers[r.RemoteAddr] = true
		mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s by %s for %s, %s %s", r.Proto, r.TLS.NegotiatedProtocol, r.TLS.ServerName, r.Host, r.Header.Get("X-Forwarded-Proto"), body)
	})
	f := startHTTP(t, secured(t, secure.Config{CAFile: ca.File, ServerName: "web.internal"}), address)
	c := client(t)
	for _, body := range []string{"", "one", strings.Repeat("x", 300000)} {
		resp, err := c.Post("http://"+f.address+"/", "text/plain", io.MultiReader(strings.NewReader(body))) // in chunks
		if err != nil {
			t.Fatal(err)
		}
		if got, want := bodyOf(t, resp), "HTTP/1.1 http/1.1 by web.internal for "+f.address+", http "+body; got != want {
			t.Errorf("%d bytes: %.100q", len(got), got)
		}
	}
	settled(t, f)
	mu.Lock()
	defer mu.Unlock()
	if len(peers) != 1 {
		t.Errorf("%d connections, one after the other", len(peers))
	}
}

func TestHTTP2OverTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	address := secureBackend(t, serving(ca.For(t, "127.0.0.1")), func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto, " ", r.TLS.NegotiatedProtocol, " ", r.URL.Scheme)
	})
	for protocol, want := range map[Protocol]string{Auto: "HTTP/1.1 http/1.1 ", HTTP1: "HTTP/1.1 http/1.1 ", H2: "HTTP/2.0 h2 "} {
		o := trusting(t, ca)
		o.Backend = protocol
		f := startHTTP(t, o, address)
		for range 3 {
			if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != want {
				t.Errorf("%s: %d %q, want %q", protocol, resp.StatusCode, body, want)
			}
		}
	}
}

func TestGRPCOverTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	address := echoService(t, grpc.Creds(credentials.NewTLS(serving(ca.For(t, "127.0.0.1")))))
	f := startHTTP(t, trusting(t, ca), address)
	conn := grpcClient(t, f.address)
	out := new(wrapperspb.StringValue)
	if err := conn.Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String("hello"), out); err != nil || out.Value != "hello" {
		t.Fatalf("%q, %v", out.Value, err)
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", strings.Repeat("two", 100000), "three"} {
		if err := stream.SendMsg(wrapperspb.String(word)); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(out); err != nil || out.Value != word {
			t.Fatalf("%d bytes, %v", len(out.Value), err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(out); err != io.EOF {
		t.Errorf("the end is %v", err)
	}
	settled(t, f)
	if n := f.Meter.Backends.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}

	// One that it cannot be spoken to.
	plain := secureBackend(t, &tls.Config{Certificates: []tls.Certificate{ca.For(t, "127.0.0.1")}, NextProtos: []string{"http/1.1"}}, func(http.ResponseWriter, *http.Request) {})
	err = grpcClient(t, startHTTP(t, trusting(t, ca), plain).address).Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String("hello"), out)
	if s := status.Convert(err); s.Code() != codes.Unavailable || !strings.Contains(s.Message(), "the TLS handshake with the backend failed") {
		t.Errorf("got %v", err)
	}
}

func TestWebSocketOverTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	plain := echoSocket(t)
	upstream := startHTTP(t, defaults(), plain) // which knows of WebSocket all there is to know
	address, _ := rawSecureBackend(t, serving(ca.For(t, "127.0.0.1")), func(conn *tls.Conn, r *bufio.Reader) {
		inner, err := net.Dial("tcp", upstream.address)
		if err != nil {
			return
		}
		defer inner.Close()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { _, _ = io.Copy(inner, r); _ = inner.(*net.TCPConn).CloseWrite() })
		_, _ = io.Copy(conn, inner)
		_ = conn.CloseWrite()
	})
	f := startHTTP(t, trusting(t, ca), address)
	conn := dialSocket(t, f.address)
	for _, message := range []string{"hello", strings.Repeat("x", 200000)} {
		if err := conn.Write(t.Context(), 1, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != message {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

// Nothing was sent where a handshake failed: the request goes elsewhere,
// whatever it is (B1 of TLS). Where there is nobody else the client is told.
func TestFailedHandshakesAreRetried(t *testing.T) {
	ca, other := securetest.NewCA(t, "ours"), securetest.NewCA(t, "theirs")
	var posts atomic.Int64
	works := secureBackend(t, serving(ca.For(t, "127.0.0.1")), func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		posts.Add(1)
		fmt.Fprint(w, "good")
	})
	demanding := serving(ca.For(t, "127.0.0.1"))
	demanding.ClientAuth, demanding.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
	afterwards := serving(ca.For(t, "127.0.0.1"))
	afterwards.ClientAuth, afterwards.MinVersion = tls.RequireAnyClientCert, tls.VersionTLS13
	resets, _ := rawBackend(t, func(conn net.Conn, _ *bufio.Reader) { reset(conn) })
	never := func(http.ResponseWriter, *http.Request) { t.Error("it got a request") }
	for _, tt := range []struct {
		name, address, token string
		reachable            bool
	}{
		{"another CA", secureBackend(t, serving(other.For(t, "127.0.0.1")), never), "tls_certificate_error", false},
		{"another name", secureBackend(t, serving(ca.For(t, "127.0.0.2")), never), "tls_certificate_error", false},
		{"expired", secureBackend(t, serving(ca.Issue(t, securetest.Subject{Names: []string{"127.0.0.1"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})), never), "tls_certificate_error", false},
		{"not TLS", backend(t, never), "tls_protocol_error", false},
		{"reset", resets, "tls_protocol_error", false},
		{"no certificate of ours", secureBackend(t, demanding, never), "tls_alert_received", false},
		{"the same in TLS 1.3", secureBackend(t, afterwards, never), "tls_alert_received", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startHTTP(t, trusting(t, ca), tt.address, works)
			before := posts.Load()
			resp, err := client(t).Post("http://"+f.address+"/", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			if body := bodyOf(t, resp); resp.StatusCode != 200 || body != "good" || posts.Load() != before+1 {
				t.Errorf("%d %q, %d posts", resp.StatusCode, body, posts.Load()-before)
			}
			settled(t, f)
			if st := statsOf(t, f, 0); st.Failures != 1 {
				t.Errorf("%d failures of the backend", st.Failures)
			}

			alone := startHTTP(t, trusting(t, ca), tt.address)
			resp, err = client(t).Post("http://"+alone.address+"/", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			body, proxyStatus := bodyOf(t, resp), resp.Header.Get("Proxy-Status")
			if resp.StatusCode != 502 || !strings.Contains(body, "TLS handshake") || !strings.Contains(proxyStatus, "error="+tt.token+";") {
				t.Errorf("%d %q, Proxy-Status %q", resp.StatusCode, body, proxyStatus)
			}
			settled(t, alone)
			if n := alone.Meter.Failures()[TLS]; n != 1 {
				t.Errorf("%d of kind tls: %v", n, alone.Meter.Failures())
			}
			if err := alone.TLS.Status().Failing[tt.address].Err; err == nil {
				t.Error("nobody can find out why")
			}
		})
	}
	f := &failure{kind: TLS, err: io.EOF}
	if !f.Is(lb.ErrUnreachable) || (&failure{kind: TLS, unsent: true}).Is(lb.ErrUnreachable) {
		t.Error("a backend counts as unreachable where no handshake succeeds, and only there")
	}
}

// B2 of TLS: the time to connect is for the handshake too.
func TestHandshakesThatHang(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	hangs, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	works := secureBackend(t, serving(ca.For(t, "127.0.0.1")), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "good") })
	for _, protocol := range []Protocol{HTTP1, H2} {
		o := trusting(t, ca)
		o.Backend, o.Timeouts.Connect = protocol, 200*time.Millisecond
		f := startHTTP(t, o, hangs, works)
		if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != "good" {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
		o.Balancer, o.Meter = nil, new(Meter)
		alone := startHTTP(t, o, hangs)
		if resp, body := get(t, "http://"+alone.address+"/"); resp.StatusCode != 504 || !strings.Contains(body, `timeout "connect"`) {
			t.Errorf("%d %q", resp.StatusCode, body)
		}
		settled(t, alone)
		if n := alone.Meter.Failures()[ConnectTimeout]; n != 1 {
			t.Errorf("%v", alone.Meter.Failures())
		}
	}
}

// B3 of TLS: what was sent is sent again only if it may be.
func TestResetsOverTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	breaks, requests := rawSecureBackend(t, serving(ca.For(t, "127.0.0.1")), func(conn *tls.Conn, r *bufio.Reader) {
		readHead(r)
		reset(conn.NetConn().(peeked).Conn)
	})
	works := secureBackend(t, serving(ca.For(t, "127.0.0.1")), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "good") })
	f := startHTTP(t, trusting(t, ca), breaks, works)
	if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != "good" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	before := requests.Load()
	resp, err := client(t).Post("http://"+f.address+"/", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	if bodyOf(t, resp); resp.StatusCode != 502 || requests.Load() != before+1 {
		t.Errorf("%d after %d requests", resp.StatusCode, requests.Load()-before)
	}
}

// B9 of TLS: a kept connection that the backend has closed costs no request,
// whatever that is: one looks beneath before anything is sent.
func TestStaleConnectionsOfTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	for _, polite := range []bool{true, false} {
		closed := make(chan struct{}, 100)
		var answered atomic.Int64
		address, _ := rawSecureBackend(t, serving(ca.For(t, "127.0.0.1")), func(conn *tls.Conn, r *bufio.Reader) {
			if readHead(r) == nil {
				return
			}
			answered.Add(1)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if polite {
				_ = conn.CloseWrite() // its word that it ends, and the FIN
			}
			_ = conn.NetConn().Close()
			closed <- struct{}{}
		})
		f := startHTTP(t, trusting(t, ca), address)
		const requests = 20
		for n := range requests {
			resp, err := client(t).Post("http://"+f.address+"/", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			if body := bodyOf(t, resp); resp.StatusCode != 200 || body != "ok" {
				t.Fatalf("polite %t: request %d: %d %q", polite, n, resp.StatusCode, body)
			}
			settled(t, f)
			<-closed
		}
		if n := answered.Load(); n != requests {
			t.Errorf("%d requests were answered of %d", n, requests)
		}
	}
}

// identity is a client certificate in files that can be replaced.
type identity struct {
	certFile, keyFile string
}

func (i identity) become(t testing.TB, ca *securetest.CA, name string) {
	certificate, key := securetest.Encode(t, ca.For(t, name))
	securetest.Write(t, i.keyFile, key)
	securetest.Write(t, i.certFile, certificate)
}

// New files cost nothing that is under way, and what comes later is done with
// them.
func TestRenewal(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, H2} {
		t.Run(string(protocol), func(t *testing.T) {
			ca := securetest.NewCA(t, "ours")
			id := identity{filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")}
			id.become(t, ca, "before")
			server := serving(ca.For(t, "127.0.0.1"))
			server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool
			began, let := make(chan struct{}, 1), make(chan struct{})
			address := secureBackend(t, server, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, r.TLS.PeerCertificates[0].DNSNames[0], " ")
				if r.URL.Path == "/slow" {
					w.(http.Flusher).Flush()
					began <- struct{}{}
					<-let
				}
				fmt.Fprint(w, "done")
			})
			o := secured(t, secure.Config{CAFile: ca.File, CertFile: id.certFile, KeyFile: id.keyFile})
			o.Backend = protocol
			f := startHTTP(t, o, address)
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				if resp, body := get(t, "http://"+f.address+"/slow"); resp.StatusCode != 200 || body != "before done" {
					t.Errorf("under way: %d %q", resp.StatusCode, body)
				}
			})
			<-began
			ask := func(want string) {
				t.Helper()
				if resp, body := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 || body != want+" done" {
					t.Errorf("%d %q, want %s", resp.StatusCode, body, want)
				}
			}
			ask("before")

			id.become(t, ca, "after")
			o.TLS.Look()
			f.server.(*HTTP).Renewed()
			within(t, "only the one that is at work is left", func() bool { return f.Meter.Backends.Load() == 1 })
			ask("after")
			ask("after")
			if n := f.Meter.Backends.Load(); n != 2 {
				t.Errorf("%d connections", n)
			}
			close(let)
			wg.Wait()
			within(t, "the old one ends when it is done", func() bool { return f.Meter.Backends.Load() == 1 })
			ask("after")
		})
	}
}

// TCP: the handshake is part of the connect, and its failure goes elsewhere.
func TestTCPOverTLS(t *testing.T) {
	ca, other := securetest.NewCA(t, "ours"), securetest.NewCA(t, "theirs")
	var resumed atomic.Int64
	works, _ := rawSecureBackend(t, serving(ca.For(t, "127.0.0.1")), func(conn *tls.Conn, r *bufio.Reader) {
		if conn.ConnectionState().DidResume {
			resumed.Add(1)
		}
		all, _ := io.ReadAll(r) // to the end of the app's direction
		_, _ = conn.Write(all)
		_ = conn.CloseWrite()
	})
	wrong, _ := rawSecureBackend(t, serving(other.For(t, "127.0.0.1")), func(*tls.Conn, *bufio.Reader) { t.Error("the handshake succeeded") })
	hangs, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	o := trusting(t, ca)
	o.Timeouts.Connect = 300 * time.Millisecond
	f := startTCP(t, o, wrong, hangs, works)
	word := strings.Repeat("hello", 50000)
	for range 3 {
		if got, _ := told(t, f, word); got != word {
			t.Errorf("%d bytes came back of %d", len(got), len(word))
		}
	}
	if n := resumed.Load(); n != 2 {
		t.Errorf("%d sessions were resumed", n)
	}
	settled(t, f)
	if n := statsOf(t, f, 0).Failures + statsOf(t, f, 1).Failures; n < 2 || f.Meter.Retries.Load() < 2 {
		t.Errorf("%d failures, %d retries", n, f.Meter.Retries.Load())
	}
	for address, kind := range map[string]Kind{wrong: TLS, hangs: ConnectTimeout} {
		o.Balancer, o.Meter = nil, new(Meter)
		alone := startTCP(t, o, address)
		if got, _ := told(t, alone, "hello"); got != "" {
			t.Errorf("got %q", got)
		}
		settled(t, alone)
		if alone.Meter.Failures()[kind] != 1 {
			t.Errorf("%v, want %s", alone.Meter.Failures(), kind)
		}
	}
}

// The PROXY header is for whoever ends TLS, and so comes before it.
func TestProxyProtocolBeforeTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	certificate := ca.For(t, "127.0.0.1")
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		line, _ := r.ReadString('\n')
		secured := tls.Server(peeked{conn, r}, serving(certificate))
		_, _ = io.WriteString(secured, line)
		_, _ = io.Copy(secured, secured)
		_ = secured.CloseWrite()
	})
	o := trusting(t, ca)
	o.Proxy.Send = 1
	if got, _ := told(t, startTCP(t, o, address), "hello"); !strings.HasPrefix(got, "PROXY TCP4 127.0.0.1 ") || !strings.HasSuffix(got, "\r\nhello") {
		t.Errorf("got %q", got)
	}
}

// BenchmarkTLS is for orientation: what a request costs over TLS, on a kept
// connection and with a new one each time, beside one in the clear.
func BenchmarkTLS(b *testing.B) {
	ca := securetest.NewCA(b, "ours")
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1024)) }
	last := func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close"); answer(w, r) }
	for _, bb := range []struct {
		name    string
		options Options
		backend string
	}{
		{"clear", defaults(), backend(b, answer)},
		{"tls", trusting(b, ca), secureBackend(b, serving(ca.For(b, "127.0.0.1")), answer)},
		{"clear/connection", defaults(), backend(b, last)},
		{"tls/resumed", trusting(b, ca), secureBackend(b, serving(ca.For(b, "127.0.0.1")), last)},
		{"tls/full", trusting(b, ca), secureBackend(b, &tls.Config{Certificates: []tls.Certificate{ca.For(b, "127.0.0.1")}, SessionTicketsDisabled: true}, last)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			bb.options.Meter = new(Meter)
			f := startHTTP(b, bb.options, bb.backend)
			conn, err := net.Dial("tcp", f.address)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			r := bufio.NewReader(conn)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
					b.Fatal(err)
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
			}
		})
	}
}
