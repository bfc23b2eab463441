package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure/securetest"
)

// Sessions are resumed by backend, though all have one name, until other files
// are in force.
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ca := securetest.NewCA(t, "ours")
			s := &tls.Config{Certificates: []tls.Certificate{ca.For(t, "web.internal")}, MaxVersion: version}
			one, two := server(t, s), server(t, s.Clone())
			c := client(t, Config{CAFile: ca.File, ServerName: "web.internal"})
			resumed := func(address string) bool {
				conn, err := dial(t, c, address, "")
				if err != nil {
					t.Fatal(err)
				}
				echo(t, conn) // what it is resumed by may come with the first answer
				return conn.ConnectionState().DidResume
			}
			for round, want := range []bool{false, true, true} {
				for _, address := range []string{one, two} {
					if got := resumed(address); got != want {
						t.Errorf("round %d of %s: resumed %t", round, address, got)
					}
				}
			}
			securetest.Write(t, ca.File, append(ca.PEM(), '\n'))
			c.Look()
			if resumed(one) {
				t.Error("a session of files that are not in force is resumed")
			}
		})
	}
}

// A name that is not expected is not resumed either.
func TestResumedHandshakesAreVerified(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	address := server(t, &tls.Config{Certificates: []tls.Certificate{ca.For(t, "web.internal")}})
	c := client(t, Config{CAFile: ca.File, Match: []string{"dns:web.internal"}})
	conn, err := dial(t, c, address, "")
	if err != nil {
		t.Fatal(err)
	}
	echo(t, conn)
	c.names[0].dns = "db.internal"
	_, err = dial(t, c, address, "")
	fails(t, err, Certificate, "web.internal")
}

// told collects the events.
type told struct {
	mu      sync.Mutex
	renewed int
	refused []string
}

func (e *told) events() Events {
	return Events{
		Renewed: func() { e.mu.Lock(); e.renewed++; e.mu.Unlock() },
		Refused: func(err error) { e.mu.Lock(); e.refused = append(e.refused, err.Error()); e.mu.Unlock() },
	}
}

func (e *told) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprint(e.renewed, " renewed, refused ", e.refused)
}

func (e *told) is(t *testing.T, renewed, refused int) {
	t.Helper()
	e.mu.Lock()
	n, m := e.renewed, len(e.refused)
	e.mu.Unlock()
	if n != renewed || m != refused {
		t.Errorf("%v, want %d renewed and %d refused", e, renewed, refused)
	}
}

func TestRotation(t *testing.T) {
	first, second := securetest.NewCA(t, "first"), securetest.NewCA(t, "second")
	var mu sync.Mutex
	serves, trusts := first.For(t, "127.0.0.1"), first
	address := server(t, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{serves}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusts.Pool}, nil
	}})
	certFile, keyFile := securetest.Store(t, first.For(t, "agent"))
	caFile := t.TempDir() + "/ca.pem"
	securetest.Write(t, caFile, first.PEM())
	var e told
	c, err := New(Config{CAFile: caFile, CertFile: certFile, KeyFile: keyFile}, e.events())
	if err != nil {
		t.Fatal(err)
	}
	works := func() *tls.Conn {
		t.Helper()
		conn, err := dial(t, c, address, "")
		if err != nil {
			t.Fatal(err)
		}
		echo(t, conn)
		return conn
	}
	old := works()
	c.Look()
	e.is(t, 0, 0)

	// What is broken is not taken up, and told once, when it has lasted.
	certificate, key := securetest.Encode(t, second.For(t, "agent"))
	securetest.Write(t, certFile, certificate)
	c.Look() // the key is of another
	e.is(t, 0, 0)
	works()
	for range 3 {
		c.Look()
	}
	e.is(t, 0, 1)
	if s := c.Status(); s.Refused == nil || s.Generation != 1 {
		t.Errorf("%+v", s)
	}
	works()

	// Written at last.
	securetest.Write(t, keyFile, key)
	securetest.Write(t, caFile, second.PEM())
	c.Look()
	e.is(t, 1, 1)
	if s := c.Status(); s.Refused != nil || s.Generation != 2 || c.Generation() != 2 {
		t.Errorf("%+v", s)
	}
	_, err = dial(t, c, address, "")
	fails(t, err, Certificate, "CN=first")
	mu.Lock()
	serves, trusts = second.For(t, "127.0.0.1"), second
	mu.Unlock()
	works()
	echo(t, old)

	// Broken in another way each, and back.
	if err := os.Remove(caFile); err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{"", "garbage"} {
		if broken != "" {
			securetest.Write(t, caFile, []byte(broken))
		}
		c.Look()
		c.Look()
	}
	e.is(t, 1, 3)
	if e.mu.Lock(); !strings.Contains(e.refused[2], "holds no certificate") || !strings.Contains(e.refused[1], caFile) {
		t.Errorf("refused %q", e.refused)
	}
	e.mu.Unlock()
	works()
	securetest.Write(t, caFile, second.PEM())
	c.Look()
	e.is(t, 1, 3)
	if s := c.Status(); s.Refused != nil || s.Generation != 2 {
		t.Errorf("as before, and yet %+v", s)
	}
}

// The files are looked at every few seconds, until it ends.
func TestRun(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	synctest.Test(t, func(t *testing.T) {
		var e told
		c, err := New(Config{CAFile: ca.File}, e.events())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go c.Run(ctx)
		securetest.Write(t, ca.File, append(ca.PEM(), '\n'))
		time.Sleep(filesEvery * 3 / 4)
		synctest.Wait()
		e.is(t, 0, 0)
		time.Sleep(filesEvery / 2)
		synctest.Wait()
		e.is(t, 1, 0)
		securetest.Write(t, ca.File, []byte("garbage"))
		time.Sleep(time.Minute)
		synctest.Wait()
		e.is(t, 1, 1)
	})
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	certFile, keyFile := securetest.Store(t, ca.For(t, "a"))
	_, otherKey := securetest.Store(t, ca.For(t, "b"))
	for says, c := range map[string]Config{
		"no such file":                    {CAFile: ca.File + ".no"},
		"holds no certificate (PEM)":      {CAFile: otherKey},
		"private key does not match":      {CertFile: certFile, KeyFile: otherKey},
		"failed to find any PEM data":     {CertFile: os.DevNull, KeyFile: keyFile},
		`match "web" is neither "spiffe:`: {Match: []string{"web"}},
	} {
		if runtime.GOOS == "windows" && says == "no such file" {
			continue // which says it in other words
		}
		_, err := New(c, Events{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
		if raw, _ := os.ReadFile(otherKey); err != nil && strings.Contains(err.Error(), string(raw[40:60])) {
			t.Error("the key is given away")
		}
	}
}

func TestWarnings(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	certFile, keyFile := securetest.Store(t, ca.Issue(t, securetest.Subject{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}))
	c := client(t, Config{CertFile: certFile, KeyFile: keyFile, Insecure: true})
	w := strings.Join(c.Warnings(), "\n")
	if !strings.Contains(w, "insecure_skip_verify") || !strings.Contains(w, "expired at") || strings.Contains(w, "mode") {
		t.Errorf("warned of %s", w)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for mode, bad := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: false, 0o644: true, 0o660: true, 0o604: true} {
		if err := os.Chmod(keyFile, mode); err != nil {
			t.Fatal(err)
		}
		if err := exposed(keyFile); errors.Is(err, errExposed) != bad {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}
