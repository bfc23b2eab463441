package secure

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
)

// Name is one that certificates are held against: a SPIFFE ID, such as Consul's
// mesh gives to services, the beginning of one, or a DNS name.
type Name struct {
	dns    string // "" for a SPIFFE ID
	domain string // the trust domain
	path   string // "" or with a slash in front
	below  bool   // any path below that
}

// What ParseName refuses. The texts go on from the name.
var (
	errNoScheme = errors.New(`is neither "spiffe://…" nor "dns:…"`)
	errDNS      = errors.New("is no DNS name without a wildcard")
	errSPIFFE   = errors.New("is no SPIFFE ID: a trust domain and a path, without port, query, fragment or empty parts")
	errWildcard = errors.New(`has a "*" that is not all of the last part of a path`)
)

// ParseName reads "dns:NAME" or "spiffe://TRUST-DOMAIN/PATH" (SPIFFE-ID,
// section 2), of which the last part of the path may be "*", for any path that
// goes on from there. It never panics, and its errors go on from the name.
func ParseName(s string) (Name, error) {
	if name, ok := strings.CutPrefix(s, "dns:"); ok {
		if !isHost(name) {
			return Name{}, errDNS
		}
		return Name{dns: strings.ToLower(name)}, nil
	}
	rest, ok := strings.CutPrefix(s, "spiffe://")
	if !ok {
		return Name{}, errNoScheme
	}
	path, below := strings.CutSuffix(rest, "/*")
	if strings.Contains(path, "*") {
		return Name{}, errWildcard
	}
	n, ok := parseSPIFFE(path)
	if !ok {
		return Name{}, errSPIFFE
	}
	n.below = below
	return n, nil
}

// parseSPIFFE reads what stands behind spiffe://.
func parseSPIFFE(s string) (Name, bool) {
	domain, path, _ := strings.Cut(s, "/")
	n := Name{domain: strings.ToLower(domain)}
	if domain == "" || len(domain) > 255 || len(s) > 2048 || strings.Trim(n.domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return Name{}, false
	}
	if !strings.Contains(s, "/") {
		return n, true
	}
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, notInPath) {
			return Name{}, false
		}
	}
	n.path = "/" + path
	return n, true
}

// notInPath tells what has no place in the path of a SPIFFE ID.
func notInPath(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._", r))
}

// isHost tells whether s is a DNS name, without a wildcard.
func isHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool { return r == '.' || notInPath(r) }) {
			return false
		}
	}
	return true
}

// in tells whether a certificate is for the name. One that carries a SPIFFE ID
// must carry no other URI (X509-SVID, section 2).
func (n Name) in(c *x509.Certificate) bool {
	if n.dns != "" {
		return c.VerifyHostname(n.dns) == nil
	}
	return len(c.URIs) == 1 && n.matches(c.URIs[0])
}

func (n Name) matches(u *url.URL) bool {
	if !strings.EqualFold(u.Scheme, "spiffe") || u.User != nil || u.ForceQuery || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	id, ok := parseSPIFFE(u.Host + u.EscapedPath())
	if !ok || id.domain != n.domain {
		return false
	}
	if n.below {
		return strings.HasPrefix(id.path, n.path+"/")
	}
	return id.path == n.path
}
