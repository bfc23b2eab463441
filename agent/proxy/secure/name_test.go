package secure

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	const leaf = "spiffe://11111111-2222-3333-4444-555555555555.consul/ns/default/dc/dc1/svc/web" // as Consul's mesh has them
	for _, tt := range []struct {
		name  string
		holds []string
		is    bool
	}{
		{leaf, []string{leaf}, true},
		{"spiffe://11111111-2222-3333-4444-555555555555.CONSUL/ns/default/dc/dc1/svc/web", []string{leaf}, true},
		{leaf, []string{strings.ToUpper(leaf)}, false},
		{leaf, []string{leaf + "/"}, false},
		{leaf, []string{leaf + "2"}, false},
		{leaf, []string{leaf + "?a=b"}, false},
		{leaf, []string{strings.Replace(leaf, "spiffe", "https", 1)}, false},
		{leaf, []string{leaf, "spiffe://example.org/other"}, false}, // two URIs are no SPIFFE ID
		{leaf, []string{strings.Replace(leaf, "/svc", "/%73vc", 1)}, false},
		{leaf, nil, false},
		{"spiffe://example.org/ns/a/*", []string{"spiffe://example.org/ns/a/web"}, true},
		{"spiffe://example.org/ns/a/*", []string{"spiffe://example.org/ns/a/b/c"}, true},
		{"spiffe://example.org/ns/a/*", []string{"spiffe://example.org/ns/a"}, false},
		{"spiffe://example.org/ns/a/*", []string{"spiffe://example.org/ns/ab/c"}, false},
		{"spiffe://example.org/ns/a/*", []string{"spiffe://example.org/ns/a/../b"}, false},
		{"spiffe://example.org/ns/a/*", []string{"spiffe://example.com/ns/a/web"}, false},
		{"spiffe://example.org/*", []string{"spiffe://example.org/web"}, true},
		{"spiffe://example.org/*", []string{"spiffe://example.org"}, false},
		{"spiffe://example.org", []string{"spiffe://example.org"}, true},
	} {
		n, err := ParseName(tt.name)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var c x509.Certificate
		for _, s := range tt.holds {
			u, err := url.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			c.URIs = append(c.URIs, u)
		}
		if got := n.in(&c); got != tt.is {
			t.Errorf("%s in %v: %t", tt.name, tt.holds, got)
		}
	}
	for _, tt := range []struct {
		name, holds string
		is          bool
	}{
		{"dns:payments.internal", "payments.internal", true},
		{"dns:Payments.internal", "payments.INTERNAL", true},
		{"dns:payments.internal", "*.internal", true},
		{"dns:payments.internal", "*.payments.internal", false},
		{"dns:payments.internal", "internal", false},
	} {
		n, err := ParseName(tt.name)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := n.in(&x509.Certificate{DNSNames: []string{tt.holds}}); got != tt.is {
			t.Errorf("%s in %s: %t", tt.name, tt.holds, got)
		}
	}
}

func TestNamesThatAreNone(t *testing.T) {
	for s, want := range map[string]error{
		"": errNoScheme, "payments.internal": errNoScheme, "uri:spiffe://a/b": errNoScheme, "SPIFFE://a/b": errNoScheme,
		"dns:": errDNS, "dns:*.internal": errDNS, "dns:a b": errDNS, "dns:a..b": errDNS, "dns:" + strings.Repeat("a", 64): errDNS,
		"spiffe://": errSPIFFE, "spiffe:///web": errSPIFFE, "spiffe://a:1/web": errSPIFFE, "spiffe://u@a/web": errSPIFFE, "spiffe://a/": errSPIFFE,
		"spiffe://a//b": errSPIFFE, "spiffe://a/b/": errSPIFFE, "spiffe://a/./b": errSPIFFE, "spiffe://a/../b": errSPIFFE, "spiffe://a/b?c": errSPIFFE,
		"spiffe://a/b#c": errSPIFFE, "spiffe://a/b%20c": errSPIFFE, "spiffe://" + strings.Repeat("a", 256): errSPIFFE,
		"spiffe://*": errWildcard, "spiffe://*/web": errWildcard, "spiffe://a/*/web": errWildcard, "spiffe://a/web*": errWildcard, "spiffe://a/**": errWildcard,
	} {
		if _, err := ParseName(s); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", s, err, want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"dns:a.b", "spiffe://a/b", "spiffe://a/b/*", "spiffe://a", "spiffe://a/*/b", "spiffe://A/b"} {
		f.Add(s, "spiffe://a/b/c")
	}
	f.Fuzz(func(t *testing.T, s, uri string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		if u, err := url.Parse(uri); err == nil && n.dns == "" {
			if n.matches(u) && !n.below && !strings.EqualFold(u.String(), s) {
				t.Errorf("%q matches %q", s, uri)
			}
		}
		if n.dns != "" || n.below {
			return
		}
		if u, err := url.Parse(s); err != nil || !n.matches(u) {
			t.Errorf("%q does not match itself: %v", s, err)
		}
	})
}
