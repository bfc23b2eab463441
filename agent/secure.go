package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/lb/probe"
)

func secureOf(t config.BackendTLS) secure.Config {
	c := secure.Config{
		CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile,
		ServerName: t.ServerName, Match: t.Match, Insecure: t.InsecureSkipVerify,
	}
	if t.MinVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	return c
}

// openTLS reads the files of the upstream's TLS. It is nil for one in the clear.
func (u *upstream) openTLS(c config.Upstream) (client *secure.Client, err error) {
	if c.TLS == nil {
		return nil, nil
	}
	client, err = secure.New(secureOf(*c.TLS), secure.Events{
		Renewed: func() {
			u.log.Info("TLS files have changed; new connections are made with them", "generation", client.Generation())
			u.warnOfTLS(client)
			u.tellServers(proxy.Follower.Renewed)
		},
		Refused: func(err error) {
			u.log.Error("changed TLS files cannot be used; what they held before stays in force", "error", err)
		},
		Failed: func(address string, err error) {
			u.log.Warn("TLS with a backend fails", "address", address, "error", err)
		},
		Recovered: func(address string) { u.log.Info("TLS with a backend works again", "address", address) },
	})
	if err != nil {
		return nil, fmt.Errorf("upstream %q: tls: %w", c.Name, err)
	}
	return client, nil
}

func (u *upstream) warnOfTLS(client *secure.Client) {
	for _, warning := range client.Warnings() {
		u.log.Warn("TLS: " + warning)
	}
}

// watchTLS has the files of the upstream's TLS followed, and those before no
// more.
func (a *Agent) watchTLS(u *upstream) {
	if u.endTLS != nil {
		u.endTLS()
		u.endTLS = nil
	}
	client := u.secured()
	if client == nil {
		return
	}
	u.warnOfTLS(client)
	ctx, end := context.WithCancel(u.working)
	u.endTLS = end
	a.workers.Go(func() { client.Run(ctx) })
}

// secured is the upstream's TLS, nil for one in the clear.
func (u *upstream) secured() *secure.Client {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.tls
}

// handshakeOf makes probes secure, nil in the clear.
func handshakeOf(client *secure.Client) probe.Handshake {
	if client == nil {
		return nil
	}
	return func(ctx context.Context, conn net.Conn, address, protocol string) (net.Conn, error) {
		secured, _, err := client.Handshake(ctx, conn, address, protocol)
		if err != nil {
			return nil, err // and no *tls.Conn that is nil
		}
		return secured, nil
	}
}

// TLSStatus is how TLS to the backends of an upstream is doing.
type TLSStatus struct {
	Generation uint64    `json:"generation"`                   // of the files, from 1 on
	Read       time.Time `json:"read_at"`                      // when what is in force was read
	Expires    time.Time `json:"certificate_expires,omitzero"` // the agent's own, if it has one
	Error      string    `json:"error,omitempty"`              // why what is in the files now is not in force
	Insecure   bool      `json:"insecure,omitempty"`           // any certificate is taken
}

// BackendTLS is why TLS with a backend fails.
type BackendTLS struct {
	Error string    `json:"error"`
	Since time.Time `json:"since"`
}

// tlsStatus is nil for an upstream in the clear.
func (u *upstream) tlsStatus(t *config.BackendTLS) *TLSStatus {
	client := u.secured()
	if client == nil || t == nil {
		return nil
	}
	s := client.Status()
	status := &TLSStatus{Generation: s.Generation, Read: s.Read, Expires: s.Expires, Insecure: t.InsecureSkipVerify}
	if s.Refused != nil {
		status.Error = s.Refused.Error()
	}
	return status
}

// tlsFailures is why TLS fails, by the addresses where it does.
func (u *upstream) tlsFailures() map[string]*BackendTLS {
	client := u.secured()
	if client == nil {
		return nil
	}
	all := make(map[string]*BackendTLS)
	for address, f := range client.Status().Failing {
		all[address] = &BackendTLS{Error: f.Err.Error(), Since: f.Since}
	}
	return all
}
