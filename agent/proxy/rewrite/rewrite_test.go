package rewrite

import (
	"net/http"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// sample answers every variable with a text.
type sample [variables]string

func (s *sample) AppendVariable(to []byte, v Variable) []byte { return append(to, s[v]...) }

func header(lines ...string) (h message.Header) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.AddNamed(name, value)
	}
	return h
}

func listed(h *message.Header) string {
	var all []string
	for f := range h.All() {
		all = append(all, string(f.Name)+": "+string(f.Value))
	}
	return strings.Join(all, "|")
}

func TestApply(t *testing.T) {
	values := &sample{"192.0.2.1", "shop.internal", "GET", "/a b", "id-1", "web", "node/web-1", "10.0.0.1:80"}
	for _, test := range []struct {
		what  string
		rules Rules
		in    []string
		want  string
	}{
		{"nothing", Rules{}, []string{"A: 1"}, "A: 1"},
		{"remove in any case, all of them", Rules{Remove: []string{"x-one", "COOKIE"}}, []string{"X-One: 1", "cookie: a", "X-Two: 2", "x-ONE: 3", "Cookie: b"}, "X-Two: 2"},
		{"set replaces all", Rules{Set: map[string]string{"x-a": "new", "user-agent": "us"}}, []string{"X-A: 1", "User-Agent: they", "X-A: 2", "B: 3"}, "B: 3|user-agent: us|x-a: new"},
		{"add adds", Rules{Add: map[string]string{"X-A": "2", "Via": "1.1 b"}}, []string{"X-A: 1", "Via: 1.1 a"}, "X-A: 1|Via: 1.1 a|Via: 1.1 b|X-A: 2"},
		{"remove comes before add", Rules{Add: map[string]string{"A": "2"}, Remove: []string{"A"}}, []string{"A: 1"}, "A: 2"},
		{"variables", Rules{Set: map[string]string{"A": "{client_ip} {host} {method} {path} {request_id}", "B": "<{upstream}{backend_id}{backend_address}>"}}, nil,
			"A: 192.0.2.1 shop.internal GET /a b id-1|B: <webnode/web-110.0.0.1:80>"},
		{"other braces", Rules{Set: map[string]string{"A": `{"group": {"x": [{}]}} {A} {host`}}, nil, `A: {"group": {"x": [{}]}} {A} {host`},
		{"what frames a message stays", Rules{Set: map[string]string{"Content-Length": "5", "Transfer_Encoding": "chunked", "Host": "evil", "A\r\nB": "c", "X": "a\r\nb"}, Remove: []string{"host", "TE"}},
			[]string{"Host: a", "TE: trailers"}, "Host: a|TE: trailers"},
	} {
		h := header(test.in...)
		Compile(test.rules).Apply(&h, values)
		if got := listed(&h); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.what, got, test.want)
		}
	}
}

// A variable without a value leaves no field, and none of the client's either.
func TestApplyEmpty(t *testing.T) {
	h := header("X-Client: spoofed", "A: 1")
	Compile(Rules{Set: map[string]string{"X-Client": "{client_ip}"}, Add: map[string]string{"A": "{client_ip}"}}).Apply(&h, new(sample))
	if got := listed(&h); got != "A: 1" {
		t.Errorf("%s", got)
	}
}

// What comes from a catalog cannot begin another field.
func TestApplyKeepsToOneLine(t *testing.T) {
	values := &sample{BackendID: "a\r\nX-Admin: 1\x00\x7f"}
	var h message.Header
	Compile(Rules{Set: map[string]string{"X-Backend": "{backend_id}"}}).Apply(&h, values)
	if got := listed(&h); got != "X-Backend: a??X-Admin: 1??" {
		t.Errorf("%q", got)
	}
}

func TestApplyTakesNoMemory(t *testing.T) {
	values := &sample{ClientIP: "192.0.2.1", BackendID: "web-1"}
	e := Compile(Rules{
		Set:    map[string]string{"X-A": "{client_ip}", "X-B": "fixed", "Forwarded": "for={client_ip}"},
		Add:    map[string]string{"X-C": "a {backend_id} b"},
		Remove: []string{"X-D", "User-Agent"},
	})
	src := header("X-D: 1", "User-Agent: a", "X-B: 2", "Accept: */*")
	var h message.Header
	if n := testing.AllocsPerRun(100, func() {
		h.Reset()
		message.EndToEnd(&h, &src)
		e.Apply(&h, values)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"X-A", "via", "Authorization", "traceparent", "X_Forwarded_For", "Content-Type", "1"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "a b", "a:", ":path", "A\r\nB", "é", "Host", "HOST", "connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
		"Transfer-Encoding", "transfer_encoding", "Content_Length", "content-length", "Upgrade", "Expect", "HTTP2-Settings", "Proxy-Authorization"} {
		if CheckName(name) == nil {
			t.Errorf("%q may be changed", name)
		}
	}
}

func TestCheckValue(t *testing.T) {
	for _, value := range []string{"a", "a b", "{client_ip}", "{", "}", "{}", "{A}", "100%"} {
		if err := CheckValue(value); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
	for value, want := range map[string]string{"": "is empty", " a": "space", "a ": "space", "a\nb": "no place", "a\x00": "no place", "é": "no place", "{clientip}": "{client_ip}"} {
		if err := CheckValue(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", value, err, want)
		}
	}
}

// FuzzRules tries rules of all kinds: whatever they say, the outcome is one
// that net/http takes for a sound header, and frames the message as before.
func FuzzRules(f *testing.F) {
	f.Add("X-A", "{client_ip}", "Cookie", "192.0.2.1\r\n", true)
	f.Add("Content-Length", "0", "Host", "a", false)
	f.Add("x_a", "{{path}}", "te", "\x00", true)
	f.Fuzz(func(t *testing.T, name, value, remove, variable string, set bool) {
		r := Rules{Add: map[string]string{name: value}, Remove: []string{remove}}
		if set {
			r = Rules{Set: map[string]string{name: value}, Remove: []string{remove}}
		}
		var values sample
		for i := range values {
			values[i] = variable
		}
		h := header("Host: a", "Content-Length: 5", "Transfer-Encoding: chunked", "Connection: close", "X-Other: 1")
		Compile(r).Apply(&h, &values)
		var b strings.Builder
		for f := range h.All() {
			b.Write(f.Name)
			b.WriteString(": ")
			b.Write(f.Value)
			b.WriteString("\r\n")
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\r\n"), "\r\n")
		if len(lines) != h.Len() {
			t.Fatalf("%d fields became %d lines: %q", h.Len(), len(lines), lines)
		}
		seen := make(http.Header)
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			seen.Add(name, value)
			if strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("%q", line)
			}
		}
		for name, want := range map[string]string{"Host": "a", "Content-Length": "5", "Transfer-Encoding": "chunked", "Connection": "close"} {
			if got := seen.Values(name); len(got) != 1 || got[0] != want {
				t.Fatalf("%s became %q", name, got)
			}
		}
	})
}
