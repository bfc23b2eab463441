package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	four  = Header{Source: at("192.0.2.1:65535"), Destination: at("198.51.100.2:0")}
	six   = Header{Source: at("[2001:db8::1]:1"), Destination: at("[::1]:443")}
	mixed = Header{Source: at("192.0.2.1:1"), Destination: at("[2001:db8::1]:2")}
)

// v2 makes a header by hand.
func v2(command, kind byte, rest ...string) string {
	all := strings.Join(rest, "")
	return signature2 + string([]byte{command, kind, byte(len(all) >> 8), byte(len(all))}) + all
}

const (
	a4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02\xff\xff\x00\x00" // those of four
	a6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x01\xbb" // those of six
)

// summed appends a TLV with the right checksum.
func summed(header string, tlvs ...string) string {
	b := []byte(header + strings.Join(tlvs, "") + "\x03\x00\x04\x00\x00\x00\x00")
	binary.BigEndian.PutUint16(b[14:], uint16(len(b)-fixed2))
	binary.BigEndian.PutUint32(b[len(b)-4:], checksum(b, len(b)-4))
	return string(b)
}

func TestParse(t *testing.T) {
	mapped := Header{Source: at("[::ffff:192.0.2.1]:1"), Destination: at("[2001:db8::1]:2")}
	for text, want := range map[string]Header{
		"PROXY TCP4 192.0.2.1 198.51.100.2 65535 0\r\n":                    four,
		"PROXY TCP6 2001:db8::1 ::1 1 443\r\n":                             six,
		"PROXY TCP6 2001:DB8:0:0::1 ::1 1 443\r\n":                         six,
		"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n":                  mapped,
		"PROXY UNKNOWN\r\n":                                                {},
		"PROXY UNKNOWN ffff::1 whatever 1 2\r\n":                           {},
		"PROXY UNKNOWN " + strings.Repeat("x", 107-16) + "\r\n":            {},
		v2(proxy, tcp4, a4):                                                four,
		v2(proxy, tcp6, a6):                                                six,
		v2(proxy, unix, strings.Repeat("/", 216)):                          {},
		v2(proxy, unspec):                                                  {},
		v2(proxy, unspec, "anything"):                                      {},
		v2(local, unspec):                                                  {Local: true},
		v2(local, tcp4, a4):                                                {Local: true},
		v2(local, 0xff, "anything"):                                        {Local: true},
		v2(proxy, tcp4, a4, "\x01\x00\x02h2", "\x04\x00\x00"):              four,
		summed(v2(proxy, tcp6, a6), "\x05\x00\x01x"):                       six,
		v2(proxy, tcp4, a4, "\x04\x0f\x00", strings.Repeat("\x00", 0xf00)): four,
	} {
		h, n, err := Parse([]byte(text + "GET / HTTP/1.1"))
		if err != nil || h != want || n != len(text) {
			t.Errorf("%q: %+v, %d of %d, %v", text, h, n, len(text), err)
		}
		for i := range text { // however it is cut
			if _, _, err := Parse([]byte(text[:i])); err != ErrShort {
				t.Fatalf("%q, cut after %d: %v", text, i, err)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	wrong := summed(v2(proxy, tcp4, a4))
	for _, text := range []string{
		"GET / HTTP/1.1\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY\tTCP4", "\x16\x03\x01", "\r\n\r\n\x00\r\nQUIX",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
		"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
		"PROXY TCP4 1.2.3.4 1.2.3.4  2\r\n",
		"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n",
		"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
		"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
		"PROXY unknown\r\n", "PROXY \r\n",
		"PROXY UNKNOWN \x00\r\n", "PROXY UNKNOWN \xff\r\n", "PROXY UNKNOWN a\rb\r\n",
		"PROXY UNKNOWN " + strings.Repeat("x", 108),
		"PROXY UNKNOWN " + strings.Repeat("x", 107-15) + "\r\n",
		v2(0x10, tcp4, a4), v2(0x31, tcp4, a4), v2(0x22, tcp4, a4), // versions 1 and 3, command 2
		v2(proxy, 0x12, a4), v2(proxy, 0x22, a6), v2(proxy, 0x10, a4), v2(proxy, 0x41, a4), // datagrams, no protocol, no family
		v2(proxy, tcp4, a4[:11]), v2(proxy, tcp6, a6[:35]), v2(proxy, unix, strings.Repeat("/", 215)),
		v2(proxy, tcp4, a4, "\x04"), v2(proxy, tcp4, a4, "\x04\x00\x02x"),
		v2(proxy, tcp4, a4, "\x03\x00\x03abc"),
		wrong[:len(wrong)-1] + string(wrong[len(wrong)-1]^1),
		v2(proxy, tcp4, a4, "\x04\x10\x00", strings.Repeat("\x00", 0x1000)),
	} {
		if h, n, err := Parse([]byte(text)); err == nil || errors.Is(err, ErrShort) {
			t.Errorf("%q: %+v, %d, %v", text, h, n, err)
		}
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		Header
		v1, v2 string
	}{
		{four, "PROXY TCP4 192.0.2.1 198.51.100.2 65535 0\r\n", v2(proxy, tcp4, a4)},
		{six, "PROXY TCP6 2001:db8::1 ::1 1 443\r\n", v2(proxy, tcp6, a6)},
		{Header{Source: at("[::ffff:192.0.2.1]:65535"), Destination: four.Destination}, "PROXY TCP4 192.0.2.1 198.51.100.2 65535 0\r\n", v2(proxy, tcp4, a4)},
		{Header{Source: at("[2001:db8::1%eth0]:1"), Destination: six.Destination}, "PROXY TCP6 2001:db8::1 ::1 1 443\r\n", v2(proxy, tcp6, a6)},
		{mixed, "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n", ""},
		{Header{}, "PROXY UNKNOWN\r\n", v2(proxy, unspec)},
		{Header{Source: at("1.2.3.4:5")}, "PROXY UNKNOWN\r\n", v2(proxy, unspec)},
		{Header{Local: true}, "PROXY UNKNOWN\r\n", v2(local, unspec)},
	} {
		if got := string(AppendV1([]byte("x"), tt.Header)); got != "x"+tt.v1 {
			t.Errorf("%+v: %q", tt.Header, got)
		}
		if got := string(AppendV2([]byte("x"), tt.Header)); got != "x"+tt.v2 && tt.v2 != "" {
			t.Errorf("%+v: %q", tt.Header, got)
		}
	}
}

// What is written is read as the same, and what is read is read alike however
// it comes in.
func FuzzParse(f *testing.F) {
	for _, h := range []Header{four, six, mixed, {}, {Local: true}} {
		f.Add(AppendV1(nil, h))
		f.Add(AppendV2(nil, h))
	}
	f.Add([]byte("PROXY \r\n"))
	f.Add([]byte(summed(v2(proxy, tcp4, a4), "\x05\x00\x01x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := Parse(b)
		if err != nil {
			if n != 0 || h != (Header{}) || errors.Is(err, ErrShort) && len(b) >= MaxLen {
				t.Errorf("%+v, %d, %v", h, n, err)
			}
			return
		}
		if n < len(signature1) || n > len(b) || n > MaxLen || h.Source.IsValid() != h.Destination.IsValid() || h.Local && h.Source.IsValid() {
			t.Fatalf("%+v, %d of %d", h, n, len(b))
		}
		for _, cut := range []int{0, 1, n / 2, n - 1} {
			if _, _, err := Parse(b[:cut]); err != ErrShort {
				t.Errorf("cut after %d of %d: %v", cut, n, err)
			}
		}
		for _, written := range [][]byte{AppendV1(nil, h), AppendV2(nil, h)} {
			again, length, err := Parse(written)
			if err != nil || length != len(written) || again.Source.Port() != h.Source.Port() ||
				again.Source.Addr().Unmap() != h.Source.Addr().Unmap() || again.Destination.Addr().Unmap() != h.Destination.Addr().Unmap() {
				t.Errorf("%+v was read again as %+v, %v", h, again, err)
			}
		}
	})
}

func ExampleParse() {
	h, n, err := Parse([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 51234 5432\r\nhello"))
	fmt.Println(h.Source, n, err)
	_, _, err = Parse([]byte("PROXY TCP4 192.0.2.1"))
	fmt.Println(err)
	fmt.Println(bytes.Contains(AppendV1(nil, h), []byte("51234")))
	// Output:
	// 192.0.2.1:51234 43 <nil>
	// the PROXY header is not complete
	// true
}
