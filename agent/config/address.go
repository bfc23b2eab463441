package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// endpoint is a place to listen at.
type endpoint struct {
	path string     // of a unix socket; "" for TCP
	ip   netip.Addr // unspecified: every address of the machine
	port int        // 0: any that is free
}

// overlaps tells that the two cannot be bound at once. A wildcard overlaps
// every address, IPv4 or not, as Go binds both families for it.
func (e endpoint) overlaps(other endpoint) bool {
	if e.path != "" || other.path != "" {
		return e.path == other.path
	}
	return e.port == other.port && e.port != 0 &&
		(e.ip.IsUnspecified() || other.ip.IsUnspecified() || e.ip == other.ip)
}

// parseEndpoint reads host:port or unix:///path.
func parseEndpoint(s string) (endpoint, *problem) {
	if strings.HasPrefix(s, "unix:") {
		path, p := socketPath(s)
		return endpoint{path: path}, p
	}
	host, port, p := hostPort(s, 0)
	if p != nil {
		return endpoint{}, p
	}
	e := endpoint{port: port}
	switch host {
	case "":
		e.ip = netip.IPv6Unspecified()
	case "localhost":
		e.ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		ip, ok := parseIP(host)
		if !ok {
			return endpoint{}, wrong("has no IP address", fmt.Sprintf(`write the address to listen at, mostly "127.0.0.1:%d"`, port))
		}
		e.ip = ip.Unmap()
	}
	return e, nil
}

// listenAddress is the rule for the listener of an upstream.
func listenAddress(s string) *problem {
	e, p := parseEndpoint(s)
	if p == nil && e.path == "" && !e.ip.IsLoopback() {
		p = wrong("is open to other machines", fmt.Sprintf(`write "127.0.0.1:%d" unless that is meant`, e.port))
		p.severity = SeverityWarning
	}
	return p
}

// adminAddress is the rule for the admin listener.
func adminAddress(s string) *problem {
	switch {
	case s == "off":
		return nil
	case s == "":
		return wrong("is empty", `write "off" for no admin listener`)
	case strings.HasPrefix(s, "unix:"):
		return wrong("is a unix socket", `write a TCP address such as "127.0.0.1:9917", or "off"`)
	}
	return listenAddress(s)
}

// backendAddress is the rule for a server's address.
func backendAddress(s string) *problem {
	if strings.HasPrefix(s, "unix:") {
		_, p := socketPath(s)
		return p
	}
	host, _, p := hostPort(s, 1)
	if p != nil {
		return p
	}
	return hostName(host)
}

// consulAddress is the rule for Consul's own address, as its client reads it.
func consulAddress(s string) *problem {
	switch {
	case strings.HasPrefix(s, "unix:"):
		_, p := socketPath(s)
		return p
	case strings.Contains(s, "://"):
		return webURL(s)
	}
	return backendAddress(s)
}

// webURL is the rule for a URL of a server.
func webURL(s string) *problem {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return wrong("is no URL", "write http://HOST:PORT or https://HOST:PORT")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return wrong("has more than a host, a port and a path", "remove the rest")
	case u.Port() == "" && strings.HasSuffix(u.Host, ":"):
		return wrong("has no port after the colon", "write it or remove the colon")
	case u.Port() != "":
		if _, p := portNumber(u.Port(), 1); p != nil {
			return p
		}
	}
	return hostName(u.Hostname())
}

// maxSocketPath is what fits sockaddr_un on Linux: 108 bytes with the last one
// zero.
const maxSocketPath = 107

// isSocket tells whether an address is that of a unix socket.
func isSocket(address string) bool { return strings.HasPrefix(address, "unix:") }

func socketPath(s string) (string, *problem) {
	path, ok := strings.CutPrefix(s, "unix://")
	switch {
	case !ok || !strings.HasPrefix(path, "/"):
		return "", wrong("has no absolute path", `write one such as "unix:///run/web.sock"`)
	case len(path) > maxSocketPath:
		return "", wrong("is too long", fmt.Sprintf("the path of a unix socket takes %d bytes and this has %d", maxSocketPath, len(path)))
	case filepath.Clean(path) == "/":
		return "", wrong("names no file", `write one such as "unix:///run/web.sock"`)
	}
	return filepath.Clean(path), printable(path)
}

// hostPort takes an address apart whose port is lowest or higher.
func hostPort(s string, lowest int) (host string, port int, p *problem) {
	example := `write one such as "127.0.0.1:9001"`
	if s == "" {
		return "", 0, wrong("is empty", example)
	}
	if _, bare, ok := strings.Cut(s, "://"); ok {
		return "", 0, wrong("is a URL", fmt.Sprintf("write host and port alone: %q", strings.TrimSuffix(bare, "/")))
	}
	if ip, ok := parseIP(strings.Trim(s, "[]")); ok && ip.Is6() {
		return "", 0, wrong("has no port", `write one behind the address in brackets: "[::1]:9001"`)
	}
	host, digits, err := net.SplitHostPort(s)
	switch {
	case err != nil && strings.Count(s, ":") == 0:
		if _, err := strconv.Atoi(s); err == nil {
			return "", 0, wrong("has no host", `write "127.0.0.1:`+s+`"`)
		}
		return "", 0, wrong("has no port", `write it behind the host: "`+s+`:PORT"`)
	case err != nil:
		return "", 0, wrong("is no address", `write host:port such as "127.0.0.1:9001" or "[::1]:9001"`)
	}
	port, p = portNumber(digits, lowest)
	return host, port, p
}

func portNumber(digits string, lowest int) (int, *problem) {
	port, err := strconv.Atoi(digits)
	switch {
	case digits == "":
		return 0, wrong("has no port after the colon", `write one such as "127.0.0.1:9001"`)
	case strings.Trim(digits, "0123456789") != "":
		return 0, wrong("has a port that is no number", fmt.Sprintf("write %d to 65535 after the colon", lowest))
	case err != nil || port < lowest || port > 65535:
		return 0, wrong("has a port out of range", fmt.Sprintf("write %d to 65535 after the colon", lowest))
	}
	return port, nil
}

// parseIP reads an IP address, whose zone netip would let be anything.
func parseIP(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	return ip, err == nil && (ip.Zone() == "" || labelPattern.MatchString(ip.Zone()))
}

// hostName lets IP addresses and names pass, but no misspelt IPv4 address.
func hostName(s string) *problem {
	if _, ok := parseIP(s); ok {
		return nil
	}
	other := strings.ContainsFunc(s, func(r rune) bool {
		return !(r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z')
	})
	switch {
	case s == "":
		return wrong("has no host", `write one such as "127.0.0.1:8081"`)
	case other || len(s) > 253 || strings.Trim(s, ".0123456789") == "" || strings.Contains(s, ".."):
		return wrong("has no valid host", "write an IP address or a name")
	}
	return nil
}

// thisMachine is who connects from the machine itself.
func thisMachine() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// parsePrefix reads a network, or an address as one of its own.
func parsePrefix(v cty.Value) (netip.Prefix, *problem) {
	s, p := parseText(v)
	if p != nil {
		return netip.Prefix{}, p
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, wrong("is no network", `write one such as "10.0.0.0/8", or an address`)
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, wrong("is IPv4 written as IPv6", fmt.Sprintf("write %q and the length of its network", prefix.Addr().Unmap()))
	case prefix != prefix.Masked():
		return netip.Prefix{}, wrong("has bits behind its length", fmt.Sprintf("write %q", prefix.Masked()))
	}
	return prefix, nil
}
