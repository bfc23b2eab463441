package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/rewrite"
)

// echoHeader is a backend that answers with the header it was sent.
func echoHeader(t testing.TB) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "secret/1.0")
		w.Header().Set("X-Kept", "1")
		_ = r.Header.Write(w)
	})
}

func TestHeaderRules(t *testing.T) {
	o := defaults()
	o.Sticky = Sticky{Cookie: "outrigger", Path: "/"}
	o.Headers = Headers{
		Request: rewrite.Rules{
			Set:    map[string]string{"X-Real-Ip": "{client_ip}", "X-Via": "{upstream} {backend_id}"},
			Add:    map[string]string{"X-Team": "{method} {path}"},
			Remove: []string{"authorization", "X-Forwarded-Host", "Traceparent"},
		},
		Response: rewrite.Rules{
			Set:    map[string]string{"X-Backend": "{backend_address}"},
			Remove: []string{"server", "Set-Cookie"},
		},
	}
	address := echoHeader(t)
	f := startHTTP(t, o, address)
	for _, c := range []*http.Client{client(t), h2cClient(t)} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.address+"/a?b", nil)
		req.Header = http.Header{"Authorization": {"secret"}, "X-Real-Ip": {"spoofed"}, "X-Team": {"mine"}, "Traceparent": {"00-1-2-01"}}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		sent := bodyOf(t, resp)
		for _, want := range []string{"X-Real-Ip: 127.0.0.1\r\n", "X-Via: web 0\r\n", "X-Team: mine\r\n", "X-Team: GET /a\r\n"} {
			if !strings.Contains(sent, want) {
				t.Errorf("no %q in\n%s", want, sent)
			}
		}
		for _, gone := range []string{"secret", "spoofed", "X-Forwarded-Host", "Traceparent"} {
			if strings.Contains(sent, gone) {
				t.Errorf("%q in\n%s", gone, sent)
			}
		}
		if h := resp.Header; h.Get("Server") != "" || h.Get("X-Backend") != address || h.Get("X-Kept") != "1" {
			t.Errorf("the answer has %v", h)
		}
		if resp.Header.Get("Set-Cookie") == "" {
			t.Error("a rule about the backend's cookies took the agent's own")
		}
	}
}

// Requirement 4: whatever a client puts into Connection, what the proxy says of
// it and what carries its trace arrive.
func TestConnectionCannotRemoveWhatTellsOfTheClient(t *testing.T) {
	o := defaults()
	o.Headers.Forwarded, o.Headers.RequestID = true, true
	f := startHTTP(t, o, echoHeader(t))
	answer := raw(t, f.address, "GET / HTTP/1.1\r\nHost: a\r\nTraceparent: 00-1-2-01\r\nTracestate: a=b\r\nX-Request-Id: one\r\nX-Dropped: 1\r\n"+
		"Connection: close, x-forwarded-for, X-FORWARDED-HOST, X-Forwarded-Proto, forwarded, via, TraceParent, tracestate, X-Request-ID, Host, X-Dropped\r\n\r\n")
	for _, want := range []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: a", "X-Forwarded-Proto: http", "Forwarded: for=127.0.0.1", "Via: 1.1 outrigger",
		"Traceparent: 00-1-2-01", "Tracestate: a=b", "X-Request-Id: one"} {
		if !strings.Contains(answer, want) {
			t.Errorf("no %s in\n%s", want, answer)
		}
	}
	if strings.Contains(answer, "X-Dropped") {
		t.Error("what Connection may name goes on")
	}
}

func TestForwarding(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	told := []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "Forwarded: for=1.1.1.1", "Via: 1.1 before"}
	const toldX = "X-Forwarded-Proto: https|X-Forwarded-For: 1.1.1.1, %s|X-Forwarded-Host: web"
	for _, test := range []struct {
		what string
		h    Headers
		peer string
		want string
	}{
		{"this machine", Headers{}, "127.0.0.1:1", "Forwarded: for=1.1.1.1|Via: 1.1 before, 1.1 outrigger|" + fmt.Sprintf(toldX, "127.0.0.1")},
		{"a unix socket", Headers{NoXForwarded: true, NoVia: true, Forwarded: true}, "", `X-Forwarded-For: 1.1.1.1|X-Forwarded-Proto: https|Via: 1.1 before|Forwarded: for=1.1.1.1, for=unknown;host="web";proto=http`},
		{"another machine", Headers{}, "10.1.2.3:1", "Via: 1.1 before, 1.1 outrigger|X-Forwarded-For: 10.1.2.3|X-Forwarded-Host: web|X-Forwarded-Proto: http"},
		{"one that is trusted", Headers{Trusted: trusted}, "10.1.2.3:1", "Forwarded: for=1.1.1.1|Via: 1.1 before, 1.1 outrigger|" + fmt.Sprintf(toldX, "10.1.2.3")},
		{"one that is trusted, over IPv6", Headers{Trusted: trusted, NoVia: true, NoXForwarded: true}, "[::ffff:10.1.2.3]:1", "X-Forwarded-For: 1.1.1.1|X-Forwarded-Proto: https|Forwarded: for=1.1.1.1|Via: 1.1 before"},
		{"this machine where others are trusted", Headers{Trusted: trusted, NoVia: true, NoXForwarded: true}, "127.0.0.1:1", "Via: 1.1 before"},
		{"nobody is trusted", Headers{Trusted: []netip.Prefix{}, NoVia: true, NoXForwarded: true}, "127.0.0.1:1", "Via: 1.1 before"},
		{"Forwarded alone", Headers{NoVia: true, NoXForwarded: true, Forwarded: true}, "[2001:db8::1]:1", `Via: 1.1 before|Forwarded: for="[2001:db8::1]";host="web";proto=http`},
	} {
		r := &message.Request{Authority: []byte("web"), Major: 1, Minor: 1}
		if test.peer != "" {
			r.Peer = netip.MustParseAddrPort(test.peer)
		}
		for _, line := range told {
			name, value, _ := strings.Cut(line, ": ")
			r.Header.AddNamed(name, value)
		}
		w := newForwarding(test.h)
		var out message.Request
		w.forward(&out, r)
		var got []string
		for f := range out.Header.All() {
			got = append(got, string(f.Name)+": "+string(f.Value))
		}
		want := strings.Split(test.want, "|")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", test.what, got, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	o := defaults()
	o.Headers = Headers{RequestID: true, Response: rewrite.Rules{Set: map[string]string{"X-Request-Id": "{request_id}"}}}
	f := startHTTP(t, o, refusing(t), echoHeader(t)) // it is the same at the second
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := make(map[string]bool)
	for range 10 {
		resp, body := get(t, "http://"+f.address+"/")
		id := resp.Header.Get("X-Request-Id")
		if !uuid.MatchString(id) || seen[id] || !strings.Contains(body, "X-Request-Id: "+id+"\r\n") {
			t.Fatalf("id %q in\n%s", id, body)
		}
		seen[id] = true
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.address+"/", nil)
	req.Header.Set("X-Request-Id", "mine")
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.Header.Get("X-Request-Id") != "mine" || strings.Count(string(body), "X-Request-Id") != 1 {
		t.Errorf("the app's own became\n%s", body)
	}
}

func TestHeadersTakeNoMemory(t *testing.T) {
	w := newForwarding(Headers{Forwarded: true, RequestID: true})
	r := new(message.Request)
	var out message.Request
	value := []byte("shop.internal:80")
	peer := netip.MustParseAddrPort("192.0.2.1:1")
	if n := testing.AllocsPerRun(100, func() {
		r.Reset()
		r.Authority, r.Peer, r.Major, r.Minor = value, peer, 1, 1
		r.Header.Append(message.Known(message.UserAgent, value))
		w.identify(r)
		w.forward(&out, r)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
