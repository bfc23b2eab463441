package consul

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
)

// quickly is how often files are looked at in tests.
const quickly = 10 * time.Millisecond

func watchful(t *testing.T, c Config) *Client {
	t.Helper()
	client, err := open(c, quickly)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// put writes a file as careful people do, by renaming.
func put(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Error(err)
	}
}

// A query that waits with a token of the past begins again with the new one,
// and without an index.
func TestQueriesThatWaitTakeUpANewToken(t *testing.T) {
	asked := make(chan string, 10)
	address := consulIs(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("X-Consul-Token") + " after " + r.URL.Query().Get("index")
		if r.URL.Query().Has("index") {
			<-r.Context().Done()
			return
		}
		w.Header().Set("X-Consul-Index", "9")
		_, _ = io.WriteString(w, "[]")
	})
	file := filepath.Join(t.TempDir(), "token")
	put(t, file, "one")
	told := make(chan string, 10)
	client := watchful(t, Config{Address: address, TokenFile: file, Reloaded: func(what string, err error) {
		if err != nil {
			t.Error(err)
		}
		told <- what
	}})
	answers := make(chan discovery.Snapshot)
	go func() {
		s, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 7)
		if err != nil {
			t.Error(err)
		}
		answers <- s
	}()
	if got := <-asked; got != "one after 7" {
		t.Errorf("asked with %s", got)
	}
	put(t, file, "two\n")
	if got := <-asked; got != "two after " {
		t.Errorf("asked with %s", got)
	}
	if s := <-answers; s.Index != 9 {
		t.Errorf("got %+v", s)
	}
	if what := <-told; what != "token" || len(told) > 0 {
		t.Errorf("told of %s", what)
	}
}

// P4: a token that was replaced while it was denied is not waited for, and one that
// is replaced later ends the wait.
func TestDeniedTokensAreReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	put(t, file, "old")
	var replaced atomic.Bool
	address := consulIs(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Consul-Token") != "good" {
			if replaced.Load() {
				put(t, file, "good")
			}
			http.Error(w, "ACL not found", http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, "[]")
	})
	client := watchful(t, Config{Address: address, TokenFile: file})
	_, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 7)
	known, ok := errors.AsType[*discovery.Error](err)
	if !ok || known.Class != "denied" || known.Pause != 10*time.Second {
		t.Fatalf("got %v", err)
	}
	select {
	case <-known.Sooner:
		t.Error("nothing has changed yet")
	default:
	}
	put(t, file, "another")
	select {
	case <-known.Sooner:
	case <-time.After(10 * time.Second):
		t.Error("another token does not end the pause")
	}
	replaced.Store(true)
	if _, err := client.Source(Query{Service: "web"}).Fetch(t.Context(), 7); err != nil {
		t.Errorf("the token was replaced, and yet: %v", err)
	}
}

// authority makes a certificate for 127.0.0.1, which vouches for itself.
func authority(t *testing.T) (certificate tls.Certificate, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "consul"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// New certificates are taken up, connections made with the old ones are closed,
// and files that are broken change nothing.
func TestNewCertificatesAreTakenUp(t *testing.T) {
	first, firstCA := authority(t)
	second, secondCA := authority(t)
	var serving atomic.Pointer[tls.Certificate]
	serving.Store(&first)
	waiting := make(chan string, 10)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("index") {
			waiting <- r.RemoteAddr
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "[]")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*serving.Load()}}, nil
	}}
	var mu sync.Mutex
	open := make(map[string]bool)
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch s {
		case http.StateNew:
			open[c.RemoteAddr().String()] = true
		case http.StateClosed:
			delete(open, c.RemoteAddr().String())
		}
	}
	server.StartTLS()
	defer server.Close()

	ca := filepath.Join(t.TempDir(), "ca.pem")
	put(t, ca, firstCA)
	type report struct {
		what string
		err  error
	}
	told := make(chan report, 10)
	client := watchful(t, Config{Address: server.URL, TLS: TLS{CAFile: ca}, Reloaded: func(what string, err error) { told <- report{what, err} }})
	source := client.Source(Query{Service: "web"})
	if _, err := source.Fetch(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	put(t, ca, "garbage")
	if r := <-told; r.what != "TLS files" || r.err == nil {
		t.Errorf("told of %+v", r)
	}
	if _, err := source.Fetch(t.Context(), 0); err != nil {
		t.Errorf("with a broken file: %v", err)
	}
	ended := make(chan error)
	go func() {
		_, err := source.Fetch(t.Context(), 7)
		ended <- err
	}()
	before := <-waiting
	serving.Store(&second)
	put(t, ca, secondCA)
	if err := <-ended; err != nil {
		t.Errorf("a query that waited: %v", err)
	}
	if r := <-told; r.err != nil {
		t.Errorf("told of %+v", r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for { // the server learns of it when it reads
		mu.Lock()
		n, old := len(open), open[before]
		mu.Unlock()
		if !old && n <= 1 {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d connections are open, the old one: %t", n, old)
		case <-time.After(time.Millisecond):
		}
	}
}

// A directory of authorities, which only the environment can name, is looked at
// as files are: one that is added to it is believed.
func TestNewAuthoritiesAreTakenUp(t *testing.T) {
	first, firstCA := authority(t)
	second, secondCA := authority(t)
	var serving atomic.Pointer[tls.Certificate]
	serving.Store(&first)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // each query sees the certificate of the moment
		_, _ = io.WriteString(w, "[]")
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{*serving.Load()}}, nil
	}}
	server.StartTLS()
	defer server.Close()

	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "first.pem"), firstCA)
	t.Setenv("CONSUL_CAPATH", dir)
	told := make(chan error, 10)
	client := watchful(t, Config{Address: server.URL, Reloaded: func(_ string, err error) { told <- err }})
	source := client.Source(Query{Service: "web"})
	if _, err := source.Fetch(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	serving.Store(&second)
	if _, err := source.Fetch(t.Context(), 0); err == nil {
		t.Error("an authority is believed that is not there")
	}
	// At once, for the library takes any file that it finds.
	elsewhere := filepath.Join(t.TempDir(), "second.pem")
	put(t, elsewhere, secondCA)
	if err := os.Rename(elsewhere, filepath.Join(below, "second.pem")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-told:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the directory is not looked at")
	}
	if _, err := source.Fetch(t.Context(), 0); err != nil {
		t.Errorf("with the authority: %v", err)
	}
}

// Restarts are spread, and end with the client.
func TestRestartsAreSpread(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	put(t, file, "one")
	client := clientOf(t, Config{Address: "127.0.0.1:1", TokenFile: file})
	var all []context.Context
	for range 20 {
		ctx, release := client.rotation.hold(t.Context())
		defer release()
		all = append(all, ctx)
	}
	begin := time.Now()
	client.rotation.restart(t.Context(), 200*time.Millisecond)
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("20 queries began again within %v", took)
	}
	for _, ctx := range all {
		if !errors.Is(context.Cause(ctx), errRotated) {
			t.Errorf("not restarted: %v", context.Cause(ctx))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	client.rotation.restart(ctx, time.Hour) // returns
}
