package proxyproto

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

const (
	signature1 = "PROXY "
	// maxLine is the longest line of version 1, with its end.
	maxLine = 107
)

// parse1 reads a line, which is US-ASCII, with single spaces and CRLF.
func parse1(b []byte) (Header, int, error) {
	end := bytes.IndexByte(b[:min(len(b), maxLine)], '\n')
	switch {
	case end < 0 && len(b) >= maxLine:
		return Header{}, 0, malformed("the line is too long")
	case end < 0:
		return Header{}, 0, ErrShort
	case b[end-1] != '\r': // there is a signature before it
		return Header{}, 0, malformed("the line ends without a carriage return")
	}
	line := string(b[len(signature1) : end-1])
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
		return Header{}, 0, malformed("the line holds what is not printable")
	}
	h, err := fields1(line)
	if err != nil {
		return Header{}, 0, err
	}
	return h, end + 1, nil
}

func fields1(line string) (Header, error) {
	f := strings.Split(line, " ")
	if f[0] == "UNKNOWN" { // "the receiver must ignore anything presented before the CRLF"
		return Header{}, nil
	}
	if f[0] != "TCP4" && f[0] != "TCP6" {
		return Header{}, malformed("it knows no protocol %q", f[0])
	}
	if len(f) != 5 {
		return Header{}, malformed("there are %d fields in place of 5", len(f))
	}
	source, ok1 := address1(f[1], f[3], f[0] == "TCP4")
	destination, ok2 := address1(f[2], f[4], f[0] == "TCP4")
	if !ok1 || !ok2 {
		return Header{}, malformed("%q has no two addresses and ports of %s", line, f[0])
	}
	return Header{Source: source, Destination: destination}, nil
}

func address1(ip, port string, v4 bool) (netip.AddrPort, bool) {
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Is4() != v4 || addr.Zone() != "" {
		return netip.AddrPort{}, false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(number, 10) != port { // no leading zeros, no sign
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr, uint16(number)), true
}

// AppendV1 appends the header in version 1.
func AppendV1(b []byte, h Header) []byte {
	if !h.known() {
		return append(b, "PROXY UNKNOWN\r\n"...)
	}
	source, destination := h.addresses()
	protocol := "TCP6 "
	if source.Is4() {
		protocol = "TCP4 "
	}
	b = append(append(b, signature1...), protocol...)
	b = append(source.AppendTo(b), ' ')
	b = append(destination.AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(h.Source.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(h.Destination.Port()), 10)
	return append(b, "\r\n"...)
}
