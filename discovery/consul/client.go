// Package consul reads services from Consul's catalog. It is the only package
// that knows Consul's client library.
package consul

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
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
	Wait       time.Duration // of blocking queries, at the least; 0 means 60 s
	TLS        TLS
	// Reloaded is told that the token's file or those of TLS have changed, or
	// why what is in them now cannot be used; nil tells nobody.
	Reloaded func(what string, err error)
}

// TLS names the files for TLS to Consul. They are read again when they change.
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
	api      *api.Client
	road     *road
	address  string
	token    func() (string, error)
	wait     time.Duration
	defaults api.QueryOptions

	rotation *rotation
	stop     context.CancelFunc
	stopped  sync.WaitGroup
}

// New makes a client. It connects to nothing yet. Close ends it.
func New(c Config) (*Client, error) { return open(c, filesEvery) }

// open is New that looks at files every so often.
func open(c Config, every time.Duration) (*Client, error) {
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

	tokenFile, token := tokenOf(c, env)
	client := &Client{
		address: config.Address,
		token:   token,
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
	// The road puts the token on each request. The library must not look for
	// one itself: it reads files once, and fails where the environment names
	// one that is not there.
	config.Token, config.TokenFile = noToken, ""
	config.Datacenter = "" // each query says it, or must not

	socket, isSocket := strings.CutPrefix(config.Address, "unix://")
	if isSocket {
		// The library's own support for sockets cannot be cancelled.
		config.Address, config.Scheme = "localhost", "http"
	} else {
		socket = ""
	}
	client.road = &road{token: token, limit: largest, build: func() (*http.Transport, error) {
		return transportOf(socket, config.TLSConfig)
	}}
	client.rotation = newRotation(tokenFile, config.TLSConfig)
	client.rotation.rebuild, client.rotation.told = client.road.rebuild, c.Reloaded
	if err := client.road.rebuild(); err != nil {
		return nil, fmt.Errorf("consul: TLS to %s: %w", client.address, err)
	}
	config.HttpClient = &http.Client{Transport: client.road}
	var err error
	if client.api, err = api.NewClient(&config); err != nil {
		return nil, fmt.Errorf("consul: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	client.stop = stop
	if client.rotation.any() {
		client.stopped.Go(func() { client.rotation.run(ctx, every) })
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

// Wait is how long Consul is told to let a query wait at the most.
func (c *Client) Wait() time.Duration { return min(c.wait+c.wait/2, waitLimit) }

// waitLimit is what Consul itself takes at the most.
const waitLimit = 10 * time.Minute

// someWait is how long to let the next query wait: up to half longer than was
// asked for, or queries that something has woken together would come back
// together from then on. With what is read afresh, a watch so asks less than
// once a minute.
func (c *Client) someWait() time.Duration { return min(c.wait+rand.N(c.wait/2+1), waitLimit) }

// Close gives back idle connections, and ends what looks at files.
func (c *Client) Close() {
	c.stop()
	c.stopped.Wait()
	c.road.close()
}

// tokenOf returns how to learn the token for a query, and the file it is in, if
// it is. What the configuration says comes before the environment, and a file
// before a token, as in Consul's own tools. The library reads a file only once;
// we read it each time.
func tokenOf(c Config, env *api.Config) (file string, read func() (string, error)) {
	file, token := c.TokenFile, c.Token
	if file == "" && token == "" {
		file, token = env.TokenFile, env.Token
	}
	if file == "" {
		return "", func() (string, error) { return token, nil }
	}
	return file, func() (string, error) {
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
