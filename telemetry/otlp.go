package telemetry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// otlpTimeout is how long an export may take, by the specification.
const otlpTimeout = 10 * time.Second

// otlp settles how a signal is sent by OTLP.
func (c *choices) otlp(signal string, d *destination, e Exporter) {
	of := func(name, variableName, configured, byDefault string, shown func(string) string) (fromEnv bool) {
		if v, which := otlpVariable(signal, variableName); v != "" {
			c.note(signal+"."+name, shown(v), OriginEnv, which)
			return true
		}
		c.file(signal+"."+name, configured, byDefault)
		return false
	}
	same := func(s string) string { return s }

	c.endpoint(signal, *d, e)
	if !of("compression", "COMPRESSION", compressionOf(e.Compression), compressionNone, same) {
		d.gzip = e.Compression == compressionGzip
	}
	if !of("headers", "HEADERS", shownHeaders(e.Headers), "", shownPairs) {
		d.headers = e.Headers
	}
	timeout := e.Timeout
	if timeout == 0 {
		timeout = otlpTimeout
	}
	if !of("timeout", "TIMEOUT", timeout.String(), otlpTimeout.String(), func(ms string) string {
		if n, err := strconv.Atoi(ms); err == nil {
			return (time.Duration(n) * time.Millisecond).String()
		}
		return ms
	}) {
		d.timeout = timeout
	}
}

// endpoint notes where the exporter will send to.
func (c *choices) endpoint(signal string, d destination, e Exporter) {
	switch v, which := otlpVariable(signal, "ENDPOINT"); {
	case v != "":
		c.note(signal+".endpoint", shownURL(v), OriginEnv, which)
	case e.Endpoint != "":
		c.note(signal+".endpoint", shownURL(d.endpoint), OriginFile, "")
	case d.endpoint == "":
		c.note(signal+".endpoint", "the protocol's, by TLS", OriginDefault, "")
	default:
		c.note(signal+".endpoint", shownURL(d.endpoint), OriginDefault, "")
	}
}

func compressionOf(configured string) string {
	if configured == "" {
		return compressionNone
	}
	return configured
}

// tlsOf reads the files for TLS. It is nil where the configuration names none,
// and where the environment speaks of TLS, or of an endpoint without.
func (c *choices) tlsOf(signal string, e Exporter) (*tls.Config, error) {
	for _, name := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE"} {
		if v, which := otlpVariable(signal, name); v != "" {
			c.note(signal+".tls", v, OriginEnv, which)
			return nil, nil
		}
	}
	if e.TLS == (TLS{}) {
		return nil, nil
	}
	endpoint, _ := otlpVariable(signal, "ENDPOINT")
	insecure, _ := otlpVariable(signal, "INSECURE")
	if strings.HasPrefix(endpoint, "http://") || strings.EqualFold(insecure, "true") {
		c.report(fmt.Errorf("telemetry: %s: the environment wants no TLS; the configuration's tls block does nothing", signal))
		return nil, nil
	}
	c.note(signal+".tls", e.TLS.String(), OriginFile, "")
	made, err := e.TLS.read()
	if err != nil {
		return nil, fmt.Errorf("telemetry: %s: tls: %w", signal, err)
	}
	return made, nil
}

// TLS names files for TLS to a collector. The zero value trusts whom the system
// trusts.
type TLS struct {
	CAFile             string
	CertFile, KeyFile  string // the own certificate; both or none
	ServerName         string // expected in the collector's certificate; "" is the endpoint's host
	InsecureSkipVerify bool
}

// String tells what it trusts, for people.
func (t TLS) String() string {
	var parts []string
	for _, p := range []struct{ what, value string }{{"ca", t.CAFile}, {"cert", t.CertFile}, {"name", t.ServerName}} {
		if p.value != "" {
			parts = append(parts, p.what+" "+p.value)
		}
	}
	if t.InsecureSkipVerify {
		parts = append(parts, "not verified")
	}
	return strings.Join(parts, ", ")
}

func (t TLS) read() (*tls.Config, error) {
	made := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify} //nolint:gosec // the operator's decision
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, err
		}
		made.RootCAs = x509.NewCertPool()
		if !made.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", t.CAFile)
		}
	}
	switch {
	case (t.CertFile == "") != (t.KeyFile == ""):
		return nil, errors.New("a certificate and its key go together")
	case t.CertFile != "":
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, err
		}
		made.Certificates = []tls.Certificate{pair}
	}
	return made, nil
}

// otlpOptions names an exporter's options. There are six exporters, all with
// the same ones of types of their own.
type otlpOptions[O any] struct {
	endpoint func(string) O
	gzip     O
	headers  func(map[string]string) O
	timeout  func(time.Duration) O
	tls      func(*tls.Config) O
}

// of are those that d has something for.
func (o otlpOptions[O]) of(d destination) (options []O) {
	if d.endpoint != "" {
		options = append(options, o.endpoint(d.endpoint))
	}
	if d.gzip {
		options = append(options, o.gzip)
	}
	if d.headers != nil {
		options = append(options, o.headers(d.headers))
	}
	if d.timeout != 0 {
		options = append(options, o.timeout(d.timeout))
	}
	if d.tls != nil {
		options = append(options, o.tls(d.tls))
	}
	return options
}
