package message

import (
	"strings"
	"testing"
)

func written(lines ...string) (h Header) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.AddNamed(name, value)
	}
	return h
}

func listed(h *Header) string {
	var all []string
	for f := range h.All() {
		all = append(all, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(all, "|")
}

func TestEndToEnd(t *testing.T) {
	for _, test := range []struct {
		what string
		in   []string
		want string
	}{
		{"nothing to leave out", []string{"a: 1", "Cookie: b", "A: 2"}, "a: 1|Cookie: b|A: 2"},
		{"what belongs to the connection", []string{"Connection: close", "keep-alive: 1", "Proxy-Connection: a", "Proxy-Authenticate: b",
			"Proxy-Authorization: c", "TE: d", "Trailer: e", "Transfer-Encoding: f", "UPGRADE: g", "HTTP2-Settings: h", "x: y"}, "x: y"},
		{"what is written from the message", []string{"Host: a", "content-length: 1", "Expect: 100-continue", "x: y"}, "x: y"},
		{"what Connection names", []string{"A: 1", "connection: close, \ta ,B", "b: 2", "ab: 3", "CONNECTION: c", "C: 4", "a: 5"}, "ab: 3"},
		{"what Connection cannot name", []string{"Connection: X-Forwarded-For, x-forwarded-host, X-FORWARDED-PROTO, X-Forwarded-Port, Forwarded, Via, Traceparent, tracestate, Baggage, b3, X-B3-TraceId, X-Request-ID, X-Real-IP, X-Other",
			"X-Forwarded-For: 1", "X-Forwarded-Host: 2", "x-forwarded-proto: 3", "x-forwarded-port: 4", "Forwarded: 5", "Via: 6", "traceparent: 7", "Tracestate: 8", "baggage: 9", "B3: 10", "x-b3-traceid: 11", "X-Request-Id: 12", "X-Real-Ip: 13", "X-Other: 14"},
			"X-Forwarded-For: 1|X-Forwarded-Host: 2|x-forwarded-proto: 3|x-forwarded-port: 4|Forwarded: 5|Via: 6|traceparent: 7|Tracestate: 8|baggage: 9|B3: 10|x-b3-traceid: 11|X-Request-Id: 12|X-Real-Ip: 13"},
		{"an empty option", []string{"Connection: ,, ,", "a: 1"}, "a: 1"},
		{"close names a field", []string{"Connection: close, upgrade", "Close: 1", "a: 1"}, "a: 1"},
		{"a Kelvin sign is no k", []string{"Connection: \u212aey", "key: 1"}, "key: 1"},
	} {
		src, dst := written(test.in...), written("b: 0", "connection: stays")
		EndToEnd(&dst, &src)
		if got, want := listed(&dst), "b: 0|connection: stays|"+test.want; got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.what, got, want)
		}
	}
}

func TestEndToEndTakesNoMemory(t *testing.T) {
	src := written("Connection: keep-alive, X-Hop", "a: 1", "X-Hop: 2", "Cookie: 3")
	var dst Header
	if n := testing.AllocsPerRun(100, func() { dst.Reset(); EndToEnd(&dst, &src) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTrails(t *testing.T) {
	for _, name := range []string{"grpc-status", "Grpc-Message", "x-checksum", "Digest", "Server-Timing", "ETag", "Connections"} {
		if f := (Field{Key: NameOf([]byte(name)), Name: []byte(name)}); !f.Trails() {
			t.Errorf("%s does not", name)
		}
	}
	for _, name := range []string{"Content-Length", "transfer-encoding", "HOST", "Trailer", "TE", "Authorization", "cookie", "Set-Cookie",
		"WWW-Authenticate", "proxy-authenticate", "Cache-Control", "max-forwards", "Range", "if-match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
		"Age", "Expires", "Date", "Location", "Retry-After", "vary", "Warning", "Content-Encoding", "Content-Type", "content-range",
		"Connection", "Upgrade", "X-Forwarded-For", "X-Forwarded-Port", "Forwarded", "Via", "Expect", "Keep-Alive"} {
		if f := (Field{Key: NameOf([]byte(name)), Name: []byte(name)}); f.Trails() {
			t.Errorf("%s does", name)
		}
	}
}

func TestCopyKeepsNothingOfWhatItCopies(t *testing.T) {
	name, value := []byte("x-a"), []byte("b")
	var h Header
	h.Copy(Field{Name: name, Value: value})
	h.Copy(Field{Key: Cookie, Name: []byte("cookie"), Value: value})
	clear(name)
	clear(value)
	if got := listed(&h); got != "x-a: b|Cookie: b" {
		t.Error(got)
	}
}

// What goes on is what a plain reading of RFC 9110 section 7.6.1 leaves.
func FuzzEndToEnd(f *testing.F) {
	f.Add("Connection: a, b\na: 1\nb: 2\nc: 3")
	f.Add("connection: X-Forwarded-For,TRACEPARENT\nX-Forwarded-For: 1\ntraceparent: 2")
	f.Add("Connection: close\nTransfer-Encoding: chunked\nContent-Length: 2\nTe: trailers")
	f.Add("Connection: \t,a\nConnection: A\nA: 1\nB: 2")
	f.Fuzz(func(t *testing.T, text string) {
		var src, dst Header
		options := make(map[string]bool)
		for line := range strings.SplitSeq(text, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			if name == "" {
				continue // no parser lets it in
			}
			src.AddNamed(name, value)
			if ascii(name) == "connection" {
				for option := range strings.SplitSeq(value, ",") {
					options[ascii(strings.Trim(option, " \t"))] = true
				}
			}
		}
		var want []string
		for f := range src.All() {
			name := ascii(string(f.Name))
			switch name {
			case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
				"transfer-encoding", "upgrade", "http2-settings", "host", "content-length", "expect":
				continue
			case "traceparent", "tracestate", "baggage", "b3", "via", "forwarded", "x-request-id":
			default:
				stays := strings.HasPrefix(name, "x-forwarded-") || strings.HasPrefix(name, "x-b3-") || strings.HasPrefix(name, "x-real-ip")
				if options[name] && !stays {
					continue
				}
			}
			want = append(want, string(f.Name)+": "+string(f.Value))
		}
		EndToEnd(&dst, &src)
		if got := listed(&dst); got != strings.Join(want, "|") {
			t.Errorf("%q:\n got %s\nwant %s", text, got, strings.Join(want, "|"))
		}
	})
}

// ascii is s in lower case as far as ASCII goes.
func ascii(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}
