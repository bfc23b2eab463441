package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure/securetest"
)

func TestHandshakesThatFail(t *testing.T) {
	ca, other := securetest.NewCA(t, "ours"), securetest.NewCA(t, "theirs")
	shown := []tls.Certificate{ca.For(t, "127.0.0.1")}
	certFile, keyFile := securetest.Store(t, other.For(t, "agent"))
	oldCert, oldKey := securetest.Store(t, ca.Issue(t, securetest.Subject{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}))
	demanding := &tls.Config{Certificates: shown, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool, MaxVersion: tls.VersionTLS12}
	for _, tt := range []struct {
		name     string
		config   Config
		protocol string
		server   string
		reason   Reason
		says     string
	}{
		{"not TLS", Config{}, "", serve(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.internal ESMTP\r\n")
			_, _ = io.Copy(io.Discard, c)
		}),
			Protocol, "what it answers is not TLS; use its port for TLS, or remove the tls block"},
		{"hangs up", Config{}, "", serve(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1024)) }), Protocol, "closed the connection within the handshake"},
		{"too old", Config{MinVersion: tls.VersionTLS13}, "", server(t, &tls.Config{Certificates: shown, MaxVersion: tls.VersionTLS12}), Alert, "it does not speak TLS 1.3 or later"},
		{"far too old", Config{MinVersion: tls.VersionTLS10}, "", server(t, &tls.Config{Certificates: shown, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), Alert, "it does not speak TLS 1.2 or later"},
		{"no HTTP/2", Config{}, HTTP2, server(t, &tls.Config{Certificates: shown, NextProtos: []string{"http/1.1"}}), Alert, `it does not speak HTTP/2; write backend_protocol = "http1"`},
		{"no HTTP/1.1", Config{}, HTTP1, server(t, &tls.Config{Certificates: shown, NextProtos: []string{"mqtt"}}), Alert, `it does not speak HTTP/1.1; write backend_protocol = "h2"`},
		{"no ALPN", Config{}, HTTP2, server(t, &tls.Config{Certificates: shown}), Protocol, `it agreed to no protocol, while HTTP/2 is wanted`},
		{"wants a certificate", Config{}, "", server(t, demanding), Alert, "it wants a certificate of this agent; write cert_file and key_file"},
		{"wants another certificate", Config{CertFile: certFile, KeyFile: keyFile}, "", server(t, demanding), Alert,
			`it does not accept the certificate in cert_file "` + certFile + `", which was issued by "CN=theirs"`},
		{"wants one in force", Config{CertFile: oldCert, KeyFile: oldKey}, "", server(t, demanding), Alert, `the certificate in cert_file "` + oldCert + `" expired at`},
		{"does not know the name", Config{ServerName: "web.internal"}, "", server(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, errors.New("no " + h.ServerName)
		}}), Alert, "its own log may say why"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.config
			c.CAFile = ca.File
			_, err := dial(t, client(t, c), tt.server, tt.protocol)
			fails(t, err, tt.reason, tt.says)
		})
	}
}

// In TLS 1.3 a certificate is rejected when the handshake is over for us.
func TestRejectedAfterwards(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	address := server(t, &tls.Config{Certificates: []tls.Certificate{ca.For(t, "127.0.0.1")}, ClientAuth: tls.RequireAnyClientCert})
	failed := 0
	c, err := New(Config{CAFile: ca.File}, Events{Failed: func(string, error) { failed++ }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		conn, err := dial(t, c, address, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Read(make([]byte, 1))
		fails(t, c.Rejected(address, err), Alert, "it wants a certificate of this agent; write cert_file and key_file")
		if f := c.Status().Failing[address]; f.Err == nil {
			t.Errorf("it is not known: %+v", f)
		}
	}
	for _, err := range []error{io.EOF, net.ErrClosed, &net.OpError{Op: "remote error", Err: tls.AlertError(80)}, &net.OpError{Op: "read", Err: badCertificate}} {
		if got := c.Rejected(address, err); got != nil {
			t.Errorf("%v is taken for %v", err, got)
		}
	}
	if failed != 1 {
		t.Errorf("told %d times", failed)
	}
	c.Worked(address)
	if n := len(c.Status().Failing); n != 0 {
		t.Errorf("%d still fail", n)
	}
}

func TestHandshakesEndInTime(t *testing.T) {
	c := client(t, Config{})
	conn, err := net.Dial("tcp", serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := c.Handshake(ctx, conn, "127.0.0.1:1", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n := len(c.Status().Failing); n != 0 {
		t.Error("one that takes too long is not a fault of TLS")
	}
}

func TestOutcomesAreToldOnce(t *testing.T) {
	ca, other := securetest.NewCA(t, "ours"), securetest.NewCA(t, "theirs")
	certificate := other.For(t, "127.0.0.1")
	address := server(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }})
	var told []string
	c, err := New(Config{CAFile: ca.File}, Events{
		Failed:    func(at string, err error) { told = append(told, at+" "+err.Error()) },
		Recovered: func(at string) { told = append(told, at) },
	})
	if err != nil {
		t.Fatal(err)
	}
	try := func() {
		for range 3 {
			_, _ = dial(t, c, address, "")
		}
	}
	try()
	certificate = ca.For(t, "127.0.0.2")
	try()
	if f := c.Status().Failing[address]; f.Err == nil || f.Since.IsZero() {
		t.Errorf("%+v", f)
	}
	certificate = ca.For(t, "127.0.0.1")
	try()
	if len(told) != 3 || told[2] != address || len(c.Status().Failing) != 0 {
		t.Errorf("told %q", told)
	}
	certificate = ca.For(t, "127.0.0.2")
	try()
	if c.Forget(address); len(c.Status().Failing) != 0 {
		t.Error("it is not forgotten")
	}
}

// An upstream in the clear has no Client.
func TestInTheClear(t *testing.T) {
	var c *Client
	c.Worked("a")
	c.Forget("a")
	if c.Generation() != 0 || c.Rejected("a", &net.OpError{Op: "remote error", Err: badCertificate}) != nil {
		t.Error("it is something")
	}
}
