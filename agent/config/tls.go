package config

import (
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
)

func (t *TLS) spec() spec {
	return spec{
		fields: []field{
			text("ca_file", &t.CAFile, "", printable),
			text("cert_file", &t.CertFile, "", printable),
			text("key_file", &t.KeyFile, "", printable),
			text("server_name", &t.ServerName, "", orEmpty(hostName)),
			boolean("insecure_skip_verify", &t.InsecureSkipVerify, false),
		},
		done: func(b *block) {
			switch {
			case !b.sound("cert_file", "key_file"):
			case t.CertFile != "" && t.KeyFile == "":
				b.reject("cert_file", "cert_file stands without key_file", "write the file of its key too")
			case t.KeyFile != "" && t.CertFile == "":
				b.reject("key_file", "key_file stands without cert_file", "write the file of its certificate too")
			}
		},
	}
}

func (t *BackendTLS) spec() spec {
	s := t.TLS.spec()
	s.fields = append(s.fields,
		list("match", &t.Match, nil, parseText, certificateName),
		text("min_version", &t.MinVersion, "1.2", tlsVersion),
	)
	return s
}

// finish finds what cannot be meant in the upstream around it.
func (t *BackendTLS) finish(b *block) {
	if t.InsecureSkipVerify && b.sound("insecure_skip_verify") {
		b.decoder.report(SeverityWarning, b.at("insecure_skip_verify"), "insecure_skip_verify takes any certificate, so that nobody knows who the backends are",
			"write ca_file, and match or server_name, and remove it")
	}
}

// certificateName is the rule for what a certificate has to hold.
func certificateName(s string) *problem {
	if _, err := secure.ParseName(s); err != nil {
		return wrong(err.Error(), `write one such as "spiffe://example.org/ns/default/dc/dc1/svc/web", "spiffe://example.org/ns/default/*" or "dns:web.internal"`)
	}
	return nil
}

// tlsVersion is the rule for the least version of TLS.
func tlsVersion(s string) *problem {
	switch s {
	case "1.2", "1.3":
		return nil
	case "1.0", "1.1":
		return wrong("is too old to be safe", `write "1.2" or "1.3"`)
	}
	return wrong("is unknown", `write "1.2" or "1.3"`)
}

// finishTLS holds the protocol of the backends against the tls block.
func (u *Upstream) finishTLS(b *block) {
	switch {
	case u.Protocol != "http" || !b.sound("backend_protocol"):
	case u.TLS != nil && u.BackendProtocol == "h2c":
		b.reject("backend_protocol", `backend_protocol "h2c" is HTTP/2 in the clear, beside tls`, `write "h2", or remove the tls block`)
	case u.TLS == nil && u.BackendProtocol == "h2":
		b.reject("backend_protocol", `backend_protocol "h2" is HTTP/2 over TLS, without tls`, `write a block tls { … }, or "h2c" for HTTP/2 in the clear`)
	}
	if u.TLS == nil || u.TLS.ServerName != "" || len(u.TLS.Match) > 0 || u.TLS.InsecureSkipVerify {
		return
	}
	for i, s := range u.Servers {
		if server := b.blocks["server"][i]; server.sound("address") && isSocket(s.Address) {
			server.reject("address", `address "`+s.Address+`" has no name that its certificate could be for`, "write server_name or match in the tls block")
		}
	}
}
