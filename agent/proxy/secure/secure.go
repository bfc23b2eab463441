// Package secure is TLS to the backends of one upstream: who they have to prove
// to be, what they are shown, and what went wrong where a handshake failed. What
// it needs from files is read again when they change, and holds for the
// handshakes that follow; connections that are open go on. The package knows of
// nothing else here.
package secure

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// Config says how. The zero value trusts the CAs of the system, and expects of
// a certificate the host of the address that is connected to.
type Config struct {
	CAFile     string   // of the CAs to trust (PEM); "": those of the system
	CertFile   string   // of the own certificate and what leads to its CA (PEM); "": none
	KeyFile    string   // of its key; with CertFile only
	ServerName string   // sent as SNI, and expected unless Match is; "": the host of the address
	Match      []string // as ParseName reads them: a certificate has to hold one of them
	MinVersion uint16   // as in crypto/tls; 0: TLS 1.2
	Insecure   bool     // takes any certificate
}

// Events are told what happens. Each may be nil; they come one at a time, and
// must not wait.
type Events struct {
	Renewed   func()                          // other files are in force
	Refused   func(err error)                 // new files cannot be used, those before stay in force; once for each content
	Failed    func(address string, err error) // a handshake failed, in another way than the last one at address
	Recovered func(address string)            // one went well that had failed
}

// The protocols that ALPN may agree on.
const (
	HTTP1 = "http/1.1"
	HTTP2 = "h2"
)

// Client makes handshakes with the backends of an upstream. Create it with New;
// any goroutine may call its methods. All but New are of use on a nil Client,
// which stands for an upstream without TLS, as far as they only ask.
type Client struct {
	config  Config
	names   []Name
	events  Events
	inForce atomic.Pointer[material]

	looking sync.Mutex
	files   refused // what was read last and cannot be used

	outcomes outcomes
}

// New reads the files of c. It fails where they cannot be used.
func New(c Config, e Events) (*Client, error) {
	client := &Client{config: c, events: e}
	for _, s := range c.Match {
		n, err := ParseName(s)
		if err != nil {
			return nil, fmt.Errorf("match %q %w", s, err)
		}
		client.names = append(client.names, n)
	}
	m, err := c.read()
	if err != nil {
		return nil, err
	}
	client.inForce.Store(m)
	return client, nil
}

// Generation counts the changes of the files that were taken up, from 1 on. A
// connection of an earlier one was made with what is not in force any more. It
// is 0 without TLS.
func (c *Client) Generation() uint64 {
	if c == nil {
		return 0
	}
	return c.inForce.Load().generation
}

// Handshake makes TLS of a connection that was just opened to address, which is
// host:port or unix:///path, and agrees on a protocol unless that is "". It
// returns the generation of what the connection was made with. The connection
// is closed where that fails, with an *Error, or with the end of ctx.
func (c *Client) Handshake(ctx context.Context, conn net.Conn, address, protocol string) (*tls.Conn, uint64, error) {
	h := handshake{client: c, material: c.inForce.Load(), address: address, protocol: protocol}
	if h.name = c.config.ServerName; h.name == "" {
		h.name = hostOf(address)
	}
	secured := tls.Client(conn, h.config())
	err := secured.HandshakeContext(ctx)
	if err == nil {
		err = h.agreed(secured.ConnectionState())
	}
	if err == nil {
		c.outcomes.worked(c, address, h.asked)
		return secured, h.material.generation, nil
	}
	_ = secured.Close()
	if ended := ctx.Err(); ended != nil {
		return nil, 0, fmt.Errorf("the TLS handshake with %s was not done in time: %w", address, ended)
	}
	failure := h.explain(err)
	c.outcomes.failed(c, address, failure, false)
	return nil, 0, failure
}

// handshake is one of them.
type handshake struct {
	client   *Client
	material *material
	address  string
	protocol string // to agree on; "": any
	name     string // sent as SNI, and expected unless others are; "": there is none
	asked    bool   // the backend asked for a certificate
}

func (h *handshake) config() *tls.Config {
	c := &tls.Config{
		// Package tls would check for one host name. What is checked instead is
		// in verify, which is called in each handshake, resumed ones included.
		InsecureSkipVerify:   true, //nolint:gosec // see above
		VerifyConnection:     h.verify,
		GetClientCertificate: h.certificate,
		ServerName:           h.name,
		MinVersion:           max(h.client.config.MinVersion, tls.VersionTLS12),
		ClientSessionCache:   h.material.sessions.at(h.address),
	}
	if h.protocol != "" {
		c.NextProtos = []string{h.protocol}
	}
	return c
}

// certificate is what the backend is shown if it asks. Package tls would show
// nothing if it asks for one of other CAs, and what it says then would be less
// to the point.
func (h *handshake) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	h.asked = true
	if own := h.material.certificate; own != nil {
		return own, nil
	}
	return new(tls.Certificate), nil
}

// agreed holds against what was offered what came of it. A backend that knows
// nothing of ALPN speaks HTTP/1.1.
func (h *handshake) agreed(s tls.ConnectionState) error {
	if h.protocol == HTTP2 && s.NegotiatedProtocol != HTTP2 {
		return h.fault(Protocol, nil, "it agreed to no protocol, while HTTP/2 is wanted (ALPN %q); %s", HTTP2, adviseHTTP2)
	}
	return nil
}

// hostOf is the host of an address, "" for a unix socket.
func hostOf(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return ""
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// Rejected makes an *Error of what a connection to address failed with that had
// brought nothing yet, if the backend has rejected the handshake; otherwise it
// is nil. In TLS 1.3 a backend looks at a certificate when the handshake is
// over for its peer. It has looked at nothing that was sent since.
func (c *Client) Rejected(address string, err error) error {
	if c == nil {
		return nil
	}
	alert, ok := alertOf(err)
	if !ok || !aboutCertificates(alert) {
		return nil
	}
	h := handshake{client: c, material: c.inForce.Load(), address: address, asked: true}
	failure := h.explain(err)
	c.outcomes.failed(c, address, failure, true)
	return failure
}

// Worked tells that a connection to address has brought an answer.
func (c *Client) Worked(address string) {
	if c != nil {
		c.outcomes.worked(c, address, false)
	}
}

// Forget drops what is known of an address where no backend is any more.
func (c *Client) Forget(address string) {
	if c != nil {
		c.outcomes.forget(address)
	}
}
