package main

import (
	"net"
	"slices"

	"github.com/outrigger-sidecar/outrigger/bench/backend"
)

// contender is somebody who is measured.
type contender struct {
	name  string
	about string // which version, or what it is
	// command makes ready to be started: it writes a configuration. It is nil
	// for the direct line.
	command func(l layout) (command, error)
	plays   func(r row) bool // nil: all rows
}

// layout is who listens where.
type layout struct {
	dir      string   // for configurations, and of this process alone
	http     []string // where the proxy shall listen for HTTP/1.1, once for each upstream
	h2c, tcp string
	admin    string // and for those who ask the agent
	backends []backend.Addresses
}

// newLayout finds free ports for a proxy.
func newLayout(dir string, upstreams int, backends []backend.Addresses) (l layout, err error) {
	free, err := freeAddresses(upstreams + 3)
	if err != nil {
		return l, err
	}
	return layout{dir: dir, h2c: free[0], tcp: free[1], admin: free[2], http: free[3:], backends: backends}, nil
}

// freeAddresses are of ports that nobody has now.
func freeAddresses(n int) (all []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all, nil
}

// protocol is what is spoken with a proxy.
type protocol string

const (
	http1 protocol = "http"
	h2c   protocol = "h2c"
	tcp   protocol = "tcp"
)

// behind are the addresses of the backends for a protocol.
func behind(backends []backend.Addresses, p protocol) (all []string) {
	for _, b := range backends {
		switch p {
		case h2c:
			all = append(all, b.H2C)
		case tcp:
			all = append(all, b.TCP)
		default:
			all = append(all, b.HTTP)
		}
	}
	return all
}

// targets are where the proxy listens for a protocol.
func (l layout) targets(p protocol) []string {
	switch p {
	case h2c:
		return []string{l.h2c}
	case tcp:
		return []string{l.tcp}
	default:
		return l.http
	}
}

// The names of those who are compared with.
const (
	directName  = "direct"
	haproxyName = "haproxy"
	spliceName  = "haproxy-splice"
	nginxName   = "nginx"
	floorName   = "reverseproxy"
)

// peers are all who may take part besides the agent, in the order of tables.
func peers() []string { return []string{haproxyName, spliceName, nginxName, floorName, directName} }

// findPeers looks for those of the names that are on this machine, and tells
// which are not.
func findPeers(names []string) (found []contender, missing []string) {
	if slices.Contains(names, haproxyName) || slices.Contains(names, spliceName) {
		plain, spliced, why := findHAProxy()
		switch {
		case why != nil:
			missing = append(missing, why.Error())
		default:
			for _, c := range []contender{plain, spliced} {
				if slices.Contains(names, c.name) {
					found = append(found, c)
				}
			}
		}
	}
	if slices.Contains(names, nginxName) {
		nginx, without, why := findNginx()
		switch {
		case why != nil:
			missing = append(missing, why.Error())
		default:
			found, missing = append(found, nginx), append(missing, without...)
		}
	}
	if slices.Contains(names, floorName) {
		found = append(found, reverseProxy())
	}
	if slices.Contains(names, directName) {
		found = append(found, contender{
			name: directName, about: "no proxy: the generator connects to the backends",
			plays: func(r row) bool { return r.upstreams == 0 && !r.fresh },
		})
	}
	return found, missing
}
