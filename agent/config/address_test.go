package config

import "testing"

func TestOverlaps(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false},
		{"127.0.0.1:1", "127.0.0.2:1", false},
		{"127.0.0.1:1", "localhost:1", true},
		{"127.0.0.1:1", "0.0.0.0:1", true},
		{"127.0.0.1:1", "[::]:1", true},
		{"[::1]:1", ":1", true},
		{"[::1]:1", "127.0.0.1:1", false},
		{"[::1]:1", "[0:0::1]:1", true},
		{"[::ffff:127.0.0.1]:1", "127.0.0.1:1", true},
		{":0", ":0", false},
		{"unix:///a", "unix:///a", true},
		{"unix:///a", "unix:///b/../a", true},
		{"unix:///a", "unix:///b", false},
		{"unix:///a", ":1", false},
	}
	for _, test := range tests {
		a, p := parseEndpoint(test.a)
		b, q := parseEndpoint(test.b)
		if p != nil || q != nil {
			t.Fatalf("%s: %+v, %s: %+v", test.a, p, test.b, q)
		}
		if a.overlaps(b) != test.want || b.overlaps(a) != test.want {
			t.Errorf("%s and %s overlap: want %v", test.a, test.b, test.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		name string
		rule rule[string]
		good []string
		bad  []string
	}{
		{"listen", listenAddress,
			[]string{"127.0.0.1:9001", "localhost:0", "[::1]:65535", "127.8.8.8:1", "unix:///run/a.sock"},
			[]string{"", ":", "a", "127.0.0.1", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:65536", "127.0.0.1: 1", "[::1", "[]:", "unix:", "unix:a", "unix:///", "unix:////", "http://a:1", "example.com:80", "\x00:1"}},
		{"admin", adminAddress, []string{"off", "127.0.0.1:9917"}, []string{"", "none", "unix:///run/a.sock"}},
		{"backend", backendAddress,
			[]string{"127.0.0.1:1", "web:80", "a_b.c-d:65535", "[::1]:80", "[fe80::1%eth0]:80", "unix:///run/a.sock"},
			[]string{"", ":80", "a:0", "a:", "a:b", "1.2.3:80", "256.1.1.1:80", "a..b:80", "ü:80", "a b:80", "a/b:80"}},
		{"consul", consulAddress,
			[]string{"127.0.0.1:8500", "http://consul", "https://consul:8501", "https://proxy/consul", "unix:///run/consul.sock"},
			[]string{"consul", "ftp://consul:1", "http://", "http://:8500", "http://a:b", "http://user@consul", "http://consul?x", "http://consul:", "unix://consul.sock"}},
		{"URL", webURL, []string{"http://127.0.0.1:4317", "https://a.b/c"}, []string{"127.0.0.1:4317", "http:///x", "http://a b", "grpc://a:1"}},
	}
	for _, test := range tests {
		for _, s := range test.good {
			if p := test.rule(s); p != nil {
				t.Errorf("%s %q %s", test.name, s, p.summary)
			}
		}
		for _, s := range test.bad {
			if p := test.rule(s); p == nil || p.severity != SeverityError {
				t.Errorf("%s %q passes", test.name, s)
			} else if p.summary == "" || p.advice == "" {
				t.Errorf("%s %q: %+v", test.name, s, p)
			}
		}
	}
}
