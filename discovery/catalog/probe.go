package catalog

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// Probes. They go to the target itself, never through a proxy, and keep no
// connection: a check asks whether a new client would be served.

func (d *checkDefinition) tlsConfig() *tls.Config {
	// TLSSkipVerify is the choice of whoever registers the check, as in Consul.
	return &tls.Config{ServerName: d.TLSServerName, InsecureSkipVerify: d.TLSSkipVerify} //nolint:gosec // see above
}

// httpProbe passes with any 2xx and warns with 429.
func httpProbe(d *checkDefinition) probe {
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: d.tlsConfig(), DisableKeepAlives: true},
		Timeout:   d.timeout(),
	}
	if d.DisableRedirects {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	method := d.Method
	if method == "" {
		method = http.MethodGet
	}
	return func(ctx context.Context) (status, output string) {
		req, err := http.NewRequestWithContext(ctx, method, d.HTTP, strings.NewReader(d.Body))
		if err != nil {
			return critical, err.Error()
		}
		req.Header.Set("User-Agent", "Consul Health Check")
		req.Header.Set("Accept", "text/plain, text/*, */*")
		for name, values := range d.Header {
			req.Header.Del(name)
			for _, value := range values {
				req.Header.Add(name, value)
			}
		}
		if host := req.Header.Get("Host"); host != "" {
			req.Host = host
		}
		resp, err := client.Do(req)
		if err != nil {
			return critical, err.Error()
		}
		defer resp.Body.Close()
		// A body that breaks off is worth what came of it.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, int64(d.outputLimit())))
		output = fmt.Sprintf("HTTP %s %s: %s Output: %s", method, d.HTTP, resp.Status, body)
		switch {
		case resp.StatusCode/100 == 2:
			return passing, output
		case resp.StatusCode == http.StatusTooManyRequests:
			return warning, output
		}
		return critical, output
	}
}

// tcpProbe passes when a connection, and the TLS handshake if there is to be
// one, succeeds.
func tcpProbe(d *checkDefinition) probe {
	return func(ctx context.Context) (status, output string) {
		dialer := net.Dialer{Timeout: d.timeout()}
		dial := dialer.DialContext
		if d.TCPUseTLS {
			dial = (&tls.Dialer{NetDialer: &dialer, Config: d.tlsConfig()}).DialContext
		}
		conn, err := dial(ctx, "tcp", d.TCP)
		if err != nil {
			return critical, err.Error()
		}
		conn.Close()
		return passing, fmt.Sprintf("TCP connect %s: Success", d.TCP)
	}
}
