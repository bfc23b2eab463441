// Package consul reads services from Consul's catalog. It is the only package
// that knows Consul's client library.
package consul

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Config says how to reach Consul. What is empty comes from the CONSUL_*
// variables, and else is Consul's own default.
type Config struct {
	Address    string // host:port, http://…, https://… or unix://…
	Token      string
	TokenFile  string // read for every query, so that a rotated token needs no restart
	Datacenter string
	Namespace  string
	Partition  string
	Wait       time.Duration // of blocking queries; 0 means 60 s
	TLS        TLS
}

// TLS names the files for TLS to Consul.
type TLS struct {
	CAFile             string
	CertFile           string
	KeyFile            string
	ServerName         string
	InsecureSkipVerify bool
}

// Watches is how many queries may wait at Consul at once. Its agents take 200
// connections from one address by default, which all sidecars of a host share.
const Watches = 64

// largest bounds an answer, which the client library does not.
const largest = 64 << 20

// Client reaches one Consul agent. It may be used by many goroutines at once.
type Client struct {
	api       *api.Client
	transport *http.Transport
	answers   *bounded
	address   string
	token     func() (string, error)
	wait      time.Duration
	defaults  api.QueryOptions
}

// New makes a client. It connects to nothing yet.
func New(c Config) (*Client, error) {
	env := api.DefaultConfig()
	config := *env
	set(&config.Address, c.Address)
	set(&config.Datacenter, c.Datacenter)
	set(&config.Namespace, c.Namespace)
	set(&config.Partition, c.Partition)
	set(&config.TLSConfig.CAFile, c.TLS.CAFile)
	set(&config.TLSConfig.CertFile, c.TLS.CertFile)
	set(&config.TLSConfig.KeyFile, c.TLS.KeyFile)
	set(&config.TLSConfig.Address, c.TLS.ServerName)
	config.TLSConfig.InsecureSkipVerify = config.TLSConfig.InsecureSkipVerify || c.TLS.InsecureSkipVerify

	client := &Client{
		address: config.Address,
		token:   tokenOf(c, env),
		wait:    c.Wait,
		defaults: api.QueryOptions{
			Datacenter: config.Datacenter,
			Namespace:  config.Namespace,
			Partition:  config.Partition,
		},
	}
	if client.wait <= 0 {
		client.wait = time.Minute
	}
	// The token goes with each query instead; see tokenOf.
	config.Token, config.TokenFile = "", ""

	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	client.transport = &http.Transport{
		Proxy:               http.ProxyFromEnvironment, // which leaves out loopback
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		// Each watch keeps its connection busy, and all come back for another.
		MaxIdleConnsPerHost: Watches + 8,
	}
	if path, ok := strings.CutPrefix(config.Address, "unix://"); ok {
		// The library's own support for sockets cannot be cancelled.
		client.transport.DialContext = socketDialer{dialer, path}.dial
		client.transport.Proxy = nil
		config.Address, config.Scheme = "localhost", "http"
	}
	httpClient, err := api.NewHttpClient(client.transport, config.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("consul: TLS to %s: %w", client.address, err)
	}
	client.answers = &bounded{httpClient.Transport, largest}
	httpClient.Transport = client.answers
	config.HttpClient = httpClient
	if client.api, err = api.NewClient(&config); err != nil {
		return nil, fmt.Errorf("consul: %w", err)
	}
	return client, nil
}

func set(field *string, value string) {
	if value != "" {
		*field = value
	}
}

// Address is where Consul is looked for.
func (c *Client) Address() string { return c.address }

// Wait is how long Consul is told to let a query wait.
func (c *Client) Wait() time.Duration { return c.wait }

// Close gives back idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// tokenOf returns how to learn the token for a query. What the configuration
// says comes before the environment, and a file before a token, as in Consul's
// own tools. The library reads a file only once; we read it each time.
func tokenOf(c Config, env *api.Config) func() (string, error) {
	file, token := c.TokenFile, c.Token
	if file == "" && token == "" {
		file, token = env.TokenFile, env.Token
	}
	if file == "" {
		return func() (string, error) { return token, nil }
	}
	return func() (string, error) {
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", &tokenError{err}
		}
		return strings.TrimSpace(string(raw)), nil
	}
}

// tokenError is that of a query which could not be made for want of its token.
type tokenError struct{ error }

func (e *tokenError) Error() string { return "token file: " + e.error.Error() }
func (e *tokenError) Unwrap() error { return e.error }

// bounded cuts off answers that are too large to be true.
type bounded struct {
	http.RoundTripper
	limit int64 // bytes
}

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, b.limit, b.limit}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left, limit int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is larger than %d bytes", b.limit)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
