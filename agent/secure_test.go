package agent

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure/securetest"
)

// meshName is how Consul's mesh names a service.
const meshName = "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web"

// secureServer is a backend of TLS that can turn to another certificate.
type secureServer struct {
	address string
	shows   atomic.Pointer[tls.Certificate]
}

func startSecure(t testing.TB, c *tls.Config, certificate tls.Certificate, name string) *secureServer {
	t.Helper()
	s := new(secureServer)
	s.shows.Store(&certificate)
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			from = r.TLS.PeerCertificates[0].DNSNames[0]
		}
		fmt.Fprintf(w, "%s for %s", name, from)
	}))
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.shows.Load(), nil }
	c.Certificates = []tls.Certificate{} // or httptest adds its own
	web.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c, nil }}
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	s.address = web.Listener.Addr().String()
	return s
}

// A backend that fails to prove who it is gets no request and costs none; it is
// told of once, and is back when it can.
func TestTLSToBackends(t *testing.T) {
	ca, other := securetest.NewCA(t, "ours"), securetest.NewCA(t, "theirs")
	certFile, keyFile := securetest.Store(t, ca.For(t, "shop"))
	demands := func() *tls.Config {
		return &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool}
	}
	good := startSecure(t, demands(), ca.For(t, meshName), "good")
	bad := startSecure(t, demands(), other.For(t, meshName), "bad")
	a := run(t, parse(t, `
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "good" { address = %q }
			server "bad" { address = %q }
			tls {
				ca_file   = %q
				cert_file = %q
				key_file  = %q
				match     = ["spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/*"]
			}
		}`, good.address, bad.address, ca.File, certFile, keyFile))
	ask := func(n int) {
		t.Helper()
		for range n {
			if resp, body := get(t, a.url("web")); resp.StatusCode != 200 || !strings.HasSuffix(body, " for shop") {
				t.Fatalf("%d %q", resp.StatusCode, body)
			}
		}
	}
	ask(10)
	time.Sleep(3 * reachInterval) // in which it must not come back
	ask(10)
	e := a.explained(t, "web")
	right, b := e.Backends[1], e.Backends[0] // by name
	if b.Failures != 1 || b.State != "ejected" || b.TLS == nil || !strings.Contains(b.TLS.Error, `issued by "CN=theirs"`) || !strings.Contains(b.Reason, "theirs") {
		t.Errorf("explained as %+v", b)
	}
	if right.TLS != nil || e.TLS == nil || e.TLS.Generation != 1 || e.TLS.Expires.IsZero() {
		t.Errorf("explained as %+v, TLS %+v", right, e.TLS)
	}
	const failing = "TLS with a backend fails"
	if n := strings.Count(a.log.String(), failing); n != 1 {
		t.Errorf("told %d times", n)
	}
	_, metrics := get(t, a.url("admin")+"/metrics")
	if !strings.Contains(metrics, `error_type="tls"`) {
		t.Error("there is no metric of it")
	}

	again := ca.For(t, meshName)
	bad.shows.Store(&again)
	eventually(t, "it is back", func() bool { _, body := get(t, a.url("web")); return body == "bad for shop" })
	if e := a.explained(t, "web"); e.Backends[0].TLS != nil || !strings.Contains(a.log.String(), "TLS with a backend works again") {
		t.Errorf("explained as %+v", e.Backends[0].TLS)
	}
}

// What is known of a backend that is gone is forgotten.
func TestTLSForgets(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	bad := startSecure(t, new(tls.Config), ca.For(t, "another"), "bad")
	format := `
		upstream "web" {
			listen = "127.0.0.1:0"
			tls { ca_file = %q }
			server "bad" { address = %q }
		}`
	a := run(t, parse(t, format, ca.File, bad.address))
	if resp, _ := get(t, a.url("web")); resp.StatusCode != 502 {
		t.Errorf("got %d", resp.StatusCode)
	}
	failing := func() int { return len(a.list()[0].secured().Status().Failing) }
	if failing() != 1 {
		t.Fatal("it does not fail")
	}
	if err := a.Reload(parse(t, format, ca.File, backend(t, "other"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is forgotten", func() bool { return failing() == 0 })
}

// The health checks of an upstream with TLS go through it too, and are not
// shared with those of others.
func TestChecksOverTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	one := startSecure(t, new(tls.Config), ca.For(t, "web.internal"), "one")
	for _, check := range []string{"http", "tcp"} {
		a := run(t, parse(t, `
			upstream "right" {
				listen = "127.0.0.1:0"
				server "one" { address = %[1]q }
				tls {
					ca_file     = %[2]q
					server_name = "web.internal"
				}
				health {
					check %[3]q {
						interval = "500ms"
						rise     = 1
						fall     = 1
					}
				}
			}
			upstream "wrong" {
				listen = "127.0.0.1:0"
				server "one" { address = %[1]q }
				tls {
					ca_file     = %[2]q
					server_name = "db.internal"
				}
				health {
					check %[3]q {
						interval = "500ms"
						rise     = 1
						fall     = 1
					}
				}
			}`, one.address, ca.File, check))
		eventually(t, "it is up", func() bool { return a.explained(t, "right").Backends[0].Probe.Status == "up" })
		eventually(t, "it is down, and why", func() bool {
			p := a.explained(t, "wrong").Backends[0].Probe
			return p.Status == "down" && strings.Contains(p.Output, `not for "db.internal"`)
		})
	}
}

// Files that change are taken up under traffic, and by a reload at once; broken
// ones are not.
func TestTLSFilesChange(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	certFile, keyFile := securetest.Store(t, ca.For(t, "before"))
	server := startSecure(t, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool}, ca.For(t, "web.internal"), "web")
	c := parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "web" { address = %q }
			tls {
				ca_file     = %q
				server_name = "web.internal"
				cert_file   = %q
				key_file    = %q
			}
		}`, server.address, ca.File, certFile, keyFile)
	a := run(t, c)
	_, body := get(t, a.url("web"))
	if body != "web for before" {
		t.Fatalf("got %q", body)
	}
	l := startLoad([]string{a.url("web")}, http.MethodGet, http.MethodPost)
	certificate, key := securetest.Encode(t, ca.For(t, "after"))
	securetest.Write(t, certFile, certificate)
	for range 2 {
		if err := a.Reload(c); err != nil {
			t.Fatal(err)
		}
	}
	if e := a.explained(t, "web"); !strings.Contains(e.TLS.Error, "does not match") || e.TLS.Generation != 1 {
		t.Errorf("half written: %+v", e.TLS)
	}
	if n := strings.Count(a.log.String(), "changed TLS files cannot be used"); n != 1 {
		t.Errorf("told %d times", n)
	}
	securetest.Write(t, keyFile, key)
	if err := a.Reload(c); err != nil {
		t.Fatal(err)
	}
	if e := a.explained(t, "web"); e.TLS.Error != "" || e.TLS.Generation != 2 {
		t.Errorf("written: %+v", e.TLS)
	}
	eventually(t, "the new ones are used", func() bool { _, body := get(t, a.url("web")); return body == "web for after" })
	for range 20 {
		if _, body := get(t, a.url("web")); body != "web for after" {
			t.Errorf("got %q", body)
		}
	}
	time.Sleep(300 * time.Millisecond)
	l.end(t, 10)
	open := &a.list()[0].meter.Backends
	if open.Load() == 0 {
		t.Error("no connection is kept")
	}
	certificate, key = securetest.Encode(t, ca.For(t, "at last"))
	securetest.Write(t, keyFile, key)
	securetest.Write(t, certFile, certificate)
	if err := a.Reload(c); err != nil {
		t.Fatal(err)
	}
	eventually(t, "those that are idle are closed", func() bool { return open.Load() == 0 })
	if strings.Contains(a.log.String(), "upstream changed") {
		t.Error("the upstream is made anew")
	}
}

// Another tls block is taken up by a reload, if its files can be read; without
// one it goes on in the clear.
func TestReloadOfTLS(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	server := startSecure(t, new(tls.Config), ca.For(t, "127.0.0.1"), "secure")
	plain := backend(t, "plain")
	format := `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "web" { address = %q }
			health {
				check "tcp" { interval = "500ms" }
			}
			%s
		}`
	with := func(file string) string { return fmt.Sprintf("tls { ca_file = %q }", file) }
	a := run(t, parse(t, format, plain, ""))
	is := func(want string) {
		t.Helper()
		eventually(t, "it is "+want, func() bool { _, body := get(t, a.url("web")); return body == want })
	}
	is("plain")
	if e := a.explained(t, "web"); e.TLS != nil {
		t.Errorf("TLS %+v", e.TLS)
	}
	if err := a.Reload(parse(t, format, server.address, with(ca.File+".no"))); err == nil || !strings.Contains(err.Error(), `upstream "web": tls: `) {
		t.Errorf("files that are not there: %v", err)
	}
	is("plain")
	if err := a.Reload(parse(t, format, server.address, with(ca.File))); err != nil {
		t.Fatal(err)
	}
	is("secure for nobody")
	eventually(t, "its check passes", func() bool { return strings.Contains(a.explained(t, "web").Backends[0].Probe.Output, "handshake") })
	if err := a.Reload(parse(t, format, server.address, `tls { insecure_skip_verify = true }`)); err != nil {
		t.Fatal(err)
	}
	is("secure for nobody")
	if !a.explained(t, "web").TLS.Insecure || !strings.Contains(a.log.String(), "[WARN]  web: TLS: insecure_skip_verify: nobody knows who the backends are") {
		t.Error("that nothing is verified is not loud")
	}
	if err := a.Reload(parse(t, format, plain, "")); err != nil {
		t.Fatal(err)
	}
	is("plain")
}

// An agent does not start with files that it cannot use, and gives no key away.
func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	certFile, _ := securetest.Store(t, ca.For(t, "a"))
	_, keyFile := securetest.Store(t, ca.For(t, "b"))
	_, err := New(parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "web" { address = "127.0.0.1:1" }
			tls {
				cert_file = %q
				key_file  = %q
			}
		}`, certFile, keyFile), hclog.NewNullLogger(), Build{})
	raw, _ := os.ReadFile(keyFile)
	secret := string(bytes.Split(raw, []byte("\n"))[1])
	if err == nil || !strings.Contains(err.Error(), `upstream "web": tls: cert_file`) || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

// No secret leaves by the log or the admin listener.
func TestKeysAreNotTold(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	certFile, keyFile := securetest.Store(t, ca.For(t, "shop"))
	if err := os.Chmod(keyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	a := run(t, parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "web" { address = %q }
			tls {
				cert_file = %q
				key_file  = %q
			}
		}`, backend(t, "plain"), certFile, keyFile))
	if resp, _ := get(t, a.url("web")); resp.StatusCode != 502 {
		t.Errorf("got %d", resp.StatusCode)
	}
	all, err := json.Marshal(a.explained(t, "web"))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(keyFile)
	if secret := string(bytes.Split(raw, []byte("\n"))[1]); strings.Contains(a.log.String()+string(all), secret) {
		t.Error("the key is told")
	}
	if !strings.Contains(a.log.String(), "its mode should be 0600") {
		t.Error("that all can read the key is not told")
	}
}
