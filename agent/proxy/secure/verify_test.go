package secure

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure/securetest"
)

const spiffe = "spiffe://example.org/ns/default/dc/dc1/svc/web"

func TestWhoTheBackendHasToBe(t *testing.T) {
	ca, other := securetest.NewCA(t, "ours"), securetest.NewCA(t, "theirs")
	good := ca.For(t, "web.internal", spiffe, "127.0.0.1")
	for _, tt := range []struct {
		name   string
		config Config
		shows  tls.Certificate
		says   []string // nil: it is right
	}{
		{"the address", Config{}, good, nil},
		{"another address", Config{}, ca.For(t, "127.0.0.2"), []string{`for "127.0.0.2", not for "127.0.0.1"; write server_name or match`}},
		{"server_name", Config{ServerName: "web.internal"}, good, nil},
		{"server_name under a wildcard", Config{ServerName: "web.internal"}, ca.For(t, "*.internal"), nil},
		{"another server_name", Config{ServerName: "db.internal"}, good, []string{`"web.internal"`, `not for "db.internal"`}},
		{"SPIFFE", Config{Match: []string{spiffe}}, good, nil},
		{"below", Config{Match: []string{"spiffe://example.org/ns/default/*"}}, good, nil},
		{"one of several", Config{Match: []string{"dns:db.internal", "dns:web.internal"}}, good, nil},
		{"match in place of server_name", Config{ServerName: "db.internal", Match: []string{spiffe}}, good, nil},
		{"match and not the address", Config{Match: []string{"dns:db.internal"}}, good, []string{"none of match (dns:db.internal)", `"` + spiffe + `"`}},
		{"match, but of another CA", Config{Match: []string{spiffe}}, other.For(t, spiffe), []string{"issued by \"CN=theirs\"", "no CA of ca_file"}},
		{"another CA", Config{}, other.For(t, "127.0.0.1"), []string{"issued by \"CN=theirs\"", `no CA of ca_file "` + ca.File + `"`}},
		{"the system's CAs", Config{CAFile: "-"}, good, []string{"no CA of the system; write ca_file"}},
		{"expired", Config{}, ca.Issue(t, securetest.Subject{Names: []string{"127.0.0.1"}, NotAfter: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), NotBefore: time.Date(2019, 1, 2, 3, 4, 5, 0, time.UTC)}),
			[]string{"expired at 2020-01-02T03:04:05Z; it has to be renewed"}},
		{"not valid yet", Config{}, ca.Issue(t, securetest.Subject{Names: []string{"127.0.0.1"}, NotBefore: time.Now().Add(time.Hour), NotAfter: time.Now().Add(2 * time.Hour)}),
			[]string{"is not valid before", "clocks"}},
		{"no name", Config{}, ca.For(t), []string{"no name at all"}},
		{"anything at all", Config{Insecure: true, Match: []string{"dns:db.internal"}}, other.For(t), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.config
			switch c.CAFile {
			case "":
				c.CAFile = ca.File
			case "-":
				c.CAFile = ""
			}
			conn, err := dial(t, client(t, c), server(t, &tls.Config{Certificates: []tls.Certificate{tt.shows}}), "")
			if tt.says != nil {
				fails(t, err, Certificate, append(tt.says, "handshake with 127.0.0.1:")...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			echo(t, conn)
		})
	}
}

// What a backend calls itself may be long and anything.
func TestNamesAreBoundedInErrors(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	var names []string
	for range 1000 {
		names = append(names, "a.very-long-name.internal")
	}
	_, err := dial(t, client(t, Config{CAFile: ca.File}), server(t, &tls.Config{Certificates: []tls.Certificate{ca.For(t, names...)}}), "")
	fails(t, err, Certificate, "and 995 more")
	if len(err.Error()) > 1000 {
		t.Errorf("%d bytes", len(err.Error()))
	}
}

// A unix socket has no name; it has to be written.
func TestNothingIsExpected(t *testing.T) {
	ca := securetest.NewCA(t, "ours")
	h := handshake{client: client(t, Config{CAFile: ca.File}), address: "unix:///run/web.sock", name: hostOf("unix:///run/web.sock")}
	h.material = h.client.inForce.Load()
	err := h.verify(tls.ConnectionState{PeerCertificates: nil})
	fails(t, err, Certificate, "no certificate")
	leaf := ca.For(t, "web.internal").Leaf
	s := tls.ConnectionState{}
	s.PeerCertificates = append(s.PeerCertificates, leaf)
	fails(t, h.verify(s), Certificate, "write server_name or match", `"web.internal"`)
}
