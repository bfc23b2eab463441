package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// verify tells whether the backend is who it has to be: its certificate leads
// to a CA that is trusted, is in force, and holds the name.
func (h *handshake) verify(s tls.ConnectionState) error {
	if h.client.config.Insecure {
		return nil
	}
	if len(s.PeerCertificates) == 0 {
		return h.fault(Certificate, nil, "it has shown no certificate")
	}
	leaf, between := s.PeerCertificates[0], x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: h.material.roots, Intermediates: between}); err != nil {
		return h.untrusted(leaf, err)
	}
	if h.isNamed(leaf) {
		return nil
	}
	return h.misnamed(leaf)
}

func (h *handshake) isNamed(leaf *x509.Certificate) bool {
	for _, n := range h.client.names {
		if n.in(leaf) {
			return true
		}
	}
	return len(h.client.names) == 0 && h.name != "" && leaf.VerifyHostname(h.name) == nil
}

// misnamed says whose certificate it is instead.
func (h *handshake) misnamed(leaf *x509.Certificate) *Error {
	switch {
	case len(h.client.names) > 0:
		return h.fault(Certificate, nil, "its certificate is for %s, which is none of match (%s)", namesOf(leaf), strings.Join(h.client.config.Match, ", "))
	case h.name == "":
		return h.fault(Certificate, nil, "nothing says which name its certificate is to hold; write server_name or match (it is for %s)", namesOf(leaf))
	}
	return h.fault(Certificate, nil, "its certificate is for %s, not for %q; write server_name or match if it is the right one", namesOf(leaf), h.name)
}

// untrusted says why a certificate does not lead to a CA that is trusted.
func (h *handshake) untrusted(leaf *x509.Certificate, err error) *Error {
	now := time.Now()
	if wrong, ok := errors.AsType[x509.CertificateInvalidError](err); ok && wrong.Reason == x509.Expired {
		c := leaf
		if wrong.Cert != nil {
			c = wrong.Cert
		}
		if now.Before(c.NotBefore) {
			return h.fault(Certificate, err, "%s is not valid before %s; see whether the clocks are right", which(c, leaf), date(c.NotBefore))
		}
		return h.fault(Certificate, err, "%s expired at %s; it has to be renewed", which(c, leaf), date(c.NotAfter))
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		trusted := "no CA of the system; write ca_file"
		if file := h.client.config.CAFile; file != "" {
			trusted = fmt.Sprintf("no CA of ca_file %q; see whether that is the right one, and whether the backend sends all certificates between", file)
		}
		return h.fault(Certificate, err, "its certificate for %s was issued by %q, which leads to %s", namesOf(leaf), leaf.Issuer, trusted)
	}
	return h.fault(Certificate, err, "its certificate for %s cannot be verified: %v", namesOf(leaf), err)
}

func which(c, leaf *x509.Certificate) string {
	if c.Equal(leaf) {
		return "its certificate for " + namesOf(leaf)
	}
	return fmt.Sprintf("the certificate of the CA %q", c.Subject)
}

// namesOf lists what a certificate is for, which a backend says and so may be
// anything: it is quoted and bounded.
func namesOf(c *x509.Certificate) string {
	var all []string
	for _, u := range c.URIs {
		all = append(all, u.String())
	}
	all = append(all, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return fmt.Sprintf("no name at all (subject %.100q)", c.Subject)
	}
	const enough = 5
	text := ""
	for i, n := range all {
		if i == enough {
			return text + fmt.Sprintf(" and %d more", len(all)-enough)
		}
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%.200q", n)
	}
	return text
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
