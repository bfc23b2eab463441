package http1

import (
	"net/netip"
	"strings"
	"testing"
)

func TestEnd(t *testing.T) {
	for _, test := range []struct {
		in   string
		want int
	}{
		{"", 0}, {"GET", 0}, {"a\r\nb\r\n", 0}, {"a\r\nb\r\n\r", 0},
		{"a\r\n\r\n", 5}, {"a\r\n\r\nrest\r\n\r\n", 5}, {"a\n\n", 3}, {"a\n\r\n", 4}, {"a\r\n\n", 4},
		{"\r\n", 0}, {"\r\na\r\n\r\n", 7}, {"\r\n\r\na", 4}, {"\r\n\n", 3}, {"\na", 1}, {"\r", 0}, {"\ra\r\n\r\n", 6},
	} {
		// However it comes, in two pieces or more, the end is in the same place.
		for cut := 0; cut <= len(test.in); cut++ {
			end := End([]byte(test.in[:cut]), 0)
			for seen := cut; end == 0 && seen < len(test.in); seen++ {
				end = End([]byte(test.in[:seen+1]), seen)
			}
			if end != test.want {
				t.Errorf("%q, cut at %d: %d, want %d", test.in, cut, end, test.want)
			}
			if cut > 0 && test.want > cut && End([]byte(test.in), cut) != test.want {
				t.Errorf("%q, cut at %d once", test.in, cut)
			}
		}
	}
}

func TestTooLarge(t *testing.T) {
	for _, test := range []struct {
		partial string
		want    int // status; 0: not yet
	}{
		{"", 0}, {"GET /", 0}, {strings.Repeat("a", 101), 0}, {strings.Repeat("a", 102), 414}, {"\r\n" + strings.Repeat("a", 101), 0}, {"\r\n" + strings.Repeat("a", 102), 414},
		{strings.Repeat("a", 100) + "\r\n", 0}, {strings.Repeat("a", 101) + "\r\n", 414},
		{"a\r\n" + strings.Repeat("b", 996), 0}, {"a\r\n" + strings.Repeat("b", 997), 431}, {"\r\na\r\n" + strings.Repeat("b", 996), 0},
	} {
		err := TooLarge([]byte(test.partial), small)
		if test.want == 0 && err != nil || test.want != 0 && (err == nil || err.(*Error).Status != test.want) {
			t.Errorf("%.20q of %d: %v, want %d", test.partial, len(test.partial), err, test.want)
		}
	}
}

func TestControl(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				b := []byte(strings.Repeat("\xff \t~\x80", 4))[:length]
				b[at] = byte(c)
				want := length
				if (c < ' ' && c != '\t') || c == 0x7f {
					want = at
				}
				for from := range at + 1 {
					if got := control(b, from); got != want {
						t.Fatalf("%q from %d: %d, want %d", b, from, got, want)
					}
				}
			}
		}
	}
}

func FuzzAuthority(f *testing.F) {
	for _, seed := range []string{"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "::ffff:1.2.3.4",
		"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4", "::01.2.3.4", "::256.1.1.1", "::1.2.3", "::1.2.3.4.", ":", ":::", "1:", ":1", "12345::", "::g", "fe80::1%eth0", "::1:", "1:2:3:4:5:6:7:8::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		want := err == nil && addr.Is6() && addr.Zone() == ""
		if got := ipv6([]byte(s)); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	})
}
