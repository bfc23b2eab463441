package proxy

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

func withSticky(t testing.TB, backends ...string) Options {
	t.Helper()
	o := defaults()
	o.Sticky = Sticky{Cookie: "lb", Path: "/"}
	o.Balancer = lb.New(lb.RoundRobin())
	for i, address := range backends {
		if err := o.Balancer.Add(lb.Server{ID: fmt.Sprint(i), Address: address}); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// namesake answers with its name and the cookies that it got.
func namesake(t testing.TB, name string) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"app=1"}
		_, _ = fmt.Fprintf(w, "%s %q", name, r.Header["Cookie"])
	})
}

// ask makes a request with lines of cookies, and returns what the client is to
// keep of ours, "" for nothing.
func ask(t testing.TB, f *front, cookies ...string) (resp *http.Response, body, kept string) {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, "http://"+f.address+"/", nil)
	req.Header["Cookie"] = cookies
	resp, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body = bodyOf(t, resp)
	for _, c := range resp.Cookies() {
		if c.Name == f.Sticky.Cookie {
			kept = c.Name + "=" + c.Value
		}
	}
	return resp, body, kept
}

func TestSessions(t *testing.T) {
	f := startHTTP(t, withSticky(t, namesake(t, "zero"), namesake(t, "one"), namesake(t, "two")))
	resp, body, kept := ask(t, f, "a=1; b=2")
	home, _, _ := strings.Cut(body, " ")
	if !strings.HasSuffix(body, ` ["a=1; b=2"]`) {
		t.Errorf("without a session the backend got %s", body)
	}
	cookies := resp.Header["Set-Cookie"]
	if len(cookies) != 2 || cookies[0] != "app=1" || cookies[1] != kept+"; Path=/; HttpOnly; SameSite=Lax" || len(kept) != len("lb=")+16 {
		t.Fatalf("the first answer sets %q", cookies)
	}
	for _, tt := range []struct{ sent, want string }{
		{kept, `[]`},
		{"a=1; " + kept + "; b=2", `["a=1; b=2"]`},
		{kept + `; a="x y";b=2`, `["a=\"x y\";b=2"]`},
		{"xlb=1; lbx=2; " + kept, `["xlb=1; lbx=2"]`},
		{"lb=; a=1; " + kept, `["a=1"]`},
	} {
		resp, body, again := ask(t, f, tt.sent)
		if body != home+" "+tt.want || again != "" || len(resp.Header["Set-Cookie"]) != 1 {
			t.Errorf("%q: the answer is %s, and sets %q; want %s %s", tt.sent, body, resp.Header["Set-Cookie"], home, tt.want)
		}
	}
	if _, body, again := ask(t, f, "a=1", kept, "c=3; d=4"); body != home+` ["a=1" "c=3; d=4"]` && body != home+` ["a=1; c=3; d=4"]` || again != "" {
		t.Errorf("in lines: %s, and sets %q", body, again)
	}

	// A session whose backend is out goes elsewhere, and stays there.
	if err := f.Balancer.SetDraining(idOf(home), true); err != nil {
		t.Fatal(err)
	}
	_, body, moved := ask(t, f, kept)
	elsewhere, _, _ := strings.Cut(body, " ")
	if elsewhere == home || moved == "" || moved == kept {
		t.Errorf("when it drains: %s, and sets %q", body, moved)
	}
	for range 4 {
		if _, body, again := ask(t, f, moved); !strings.HasPrefix(body, elsewhere+" ") || again != "" {
			t.Errorf("after the move: %s, and sets %q", body, again)
		}
	}
}

func idOf(name string) string {
	return fmt.Sprint(slices.Index([]string{"zero", "one", "two"}, name))
}

// What is no session of ours begins one.
func TestMalformedSessionsAreReplaced(t *testing.T) {
	f := startHTTP(t, withSticky(t, namesake(t, "zero")))
	_, _, good := ask(t, f)
	for _, value := range []string{"", "0", "0000000000000000", "00000000000000001", "ffffffffffffffff", "zzzzzzzzzzzzzzzz", "+000000000000001", strings.ToUpper(good[3:]), `"` + good[3:] + `"`} {
		if _, body, kept := ask(t, f, "lb="+value); kept != good || body != "zero []" {
			t.Errorf("%q: got %s, and sets %q", value, body, kept)
		}
	}
	if _, body, kept := ask(t, f, "lb"); kept != good || body != `zero ["lb"]` { // a cookie without a name
		t.Errorf("got %s, and sets %q", body, kept)
	}
}

func TestSessionsFollowRetries(t *testing.T) {
	f := startHTTP(t, withSticky(t, refusing(t), namesake(t, "one")))
	for range 4 { // whichever comes first
		if _, body, kept := ask(t, f); !strings.HasPrefix(body, "one") || kept == "" {
			t.Errorf("got %s, and sets %q", body, kept)
		}
	}
	if st := statsOf(t, f, 0); st.Failures == 0 {
		t.Fatal("nothing was tried again")
	}
	_, _, kept := ask(t, f)
	before := statsOf(t, f, 0).Requests
	for range 4 {
		if _, _, again := ask(t, f, kept); again != "" {
			t.Errorf("sets %q", again)
		}
	}
	if after := statsOf(t, f, 0).Requests; after != before {
		t.Errorf("%d requests of the session went to the other first", after-before)
	}
}

func TestSessionsWhateverTheAnswer(t *testing.T) {
	f := startHTTP(t, withSticky(t, backend(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusInternalServerError) })))
	if resp, _, kept := ask(t, f); resp.StatusCode != 500 || kept == "" {
		t.Errorf("a backend's 500 sets %q", kept)
	}
	for _, o := range []Options{withSticky(t), withSticky(t, refusing(t))} {
		f := startHTTP(t, o)
		if resp, _, _ := ask(t, f); resp.StatusCode < 502 || resp.Header["Set-Cookie"] != nil {
			t.Errorf("our own %d sets %q", resp.StatusCode, resp.Header["Set-Cookie"])
		}
	}
}

func TestSessionsThatLast(t *testing.T) {
	o := withSticky(t, namesake(t, "zero"))
	o.Sticky.TTL, o.Sticky.Path = 90*time.Second+time.Millisecond, "/shop"
	f := startHTTP(t, o)
	resp, _, _ := ask(t, f)
	if c := resp.Cookies()[1]; c.MaxAge != 91 || c.Path != "/shop" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Domain != "" {
		t.Errorf("sets %q", resp.Header["Set-Cookie"])
	}
}

func TestSessionsOverHTTP2(t *testing.T) {
	f := startHTTP(t, withSticky(t, namesake(t, "zero"), namesake(t, "one")))
	_, _, kept := ask(t, f)
	req, _ := http.NewRequest(http.MethodGet, "http://"+f.address+"/", nil)
	req.Header["Cookie"] = []string{"a=1; " + kept + "; b=2"} // goes in crumbs
	resp, err := h2cClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body := bodyOf(t, resp); !strings.HasSuffix(body, ` ["a=1; b=2"]`) || len(resp.Header["Set-Cookie"]) != 1 {
		t.Errorf("got %s, and sets %q", body, resp.Header["Set-Cookie"])
	}
}

func TestSessionsOfWebSockets(t *testing.T) {
	f := startHTTP(t, withSticky(t, echoSocket(t), echoSocket(t)))
	dial := func(cookie string) (kept string) {
		t.Helper()
		conn, resp, err := websocket.Dial(t.Context(), "ws://"+f.address+"/", &websocket.DialOptions{HTTPHeader: http.Header{"Cookie": {cookie}}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		for _, c := range resp.Cookies() {
			kept = c.Name + "=" + c.Value
		}
		return kept
	}
	kept := dial("a=1")
	if !strings.HasPrefix(kept, "lb=") {
		t.Fatalf("the first sets %q", kept)
	}
	for range 3 {
		if again := dial(kept); again != "" {
			t.Errorf("the session was moved to %q", again)
		}
	}
}

func TestWithoutSessions(t *testing.T) {
	f := startHTTP(t, defaults(), namesake(t, "zero"))
	resp, body, _ := ask(t, f, "lb=0123456789abcdef; =; ;a")
	if body != `zero ["lb=0123456789abcdef; =; ;a"]` || len(resp.Header["Set-Cookie"]) != 1 {
		t.Errorf("got %s, and sets %q", body, resp.Header["Set-Cookie"])
	}
	h := cookies("lb=0123456789abcdef; a=1")
	if n := testing.AllocsPerRun(100, func() {
		Sticky{}.strip(h)
		_ = Sticky{}.token(h)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// cookies is a header of lines of cookies.
func cookies(lines ...string) *message.Header {
	h := new(message.Header)
	for _, line := range lines {
		h.Add(message.Cookie, line)
	}
	return h
}

// values of a known name in a header.
func values(h *message.Header, n message.Name) (all []string) {
	for f := range h.All() {
		if f.Key == n {
			all = append(all, string(f.Value))
		}
	}
	return all
}

func FuzzSticky(f *testing.F) {
	f.Add("lb=0123456789abcdef", "a=1; lb=x; b=2", uint64(1))
	f.Add("a=1;lb=0123456789abcdef;", " lb = 0123456789abcdef ;;=lb;lb", uint64(1)<<63)
	f.Add("xlb=1; LB=0123456789abcdef; lb=0123456789ABCDEF", "\tlb=\"0123456789abcdef\"", uint64(0))
	f.Fuzz(func(t *testing.T, line1, line2 string, token uint64) {
		s := Sticky{Cookie: "lb", Path: "/"}
		sent := http.Header{"Cookie": {line1, line2}}
		stripped := cookies(line1, line2)
		lines := [2][]byte{stripped.At(0).Value, stripped.At(1).Value}
		s.strip(stripped)
		if string(lines[0]) != line1 || string(lines[1]) != line2 {
			t.Errorf("the client's own header became %q", lines)
		}
		seen := http.Header{"Cookie": values(stripped, message.Cookie)}
		// What another reader of cookies makes of both.
		var want, got []string
		for _, c := range (&http.Request{Header: sent}).Cookies() {
			if c.Name != "lb" {
				want = append(want, c.String())
			}
		}
		for _, c := range (&http.Request{Header: seen}).Cookies() {
			if c.Name == "lb" && c.Value != "" { // "lb" alone is a cookie without a name
				t.Errorf("a backend sees %q", c)
			}
			if c.Name != "lb" {
				got = append(got, c.String())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %q a backend sees %q, want %q", sent["Cookie"], got, want)
		}
		if n := s.token(stripped); n != 0 {
			t.Errorf("a backend can read the token %x", n)
		}
		for i, line := range []string{line1, line2} { // lines without ours pass as they are, but for empty ones
			if line != "" && !strings.Contains(line, "lb") && !slices.Contains(seen["Cookie"], line) {
				t.Errorf("line %d is lost: %q", i, seen["Cookie"])
			}
		}

		// What is set is read again, wherever it stands.
		answer := new(message.Header)
		s.set(answer, token)
		pair, _, _ := strings.Cut(string(answer.Get(message.SetCookie)), ";")
		if n := s.token(cookies(pair + "; " + line1)); n != token && token != 0 {
			t.Errorf("%x was set, and %x is read of %q", token, n, pair)
		}
		if n := s.token(cookies(line1, line2)); n != 0 && !strings.Contains(line1+line2, fmt.Sprintf("%016x", n)) {
			t.Errorf("%x is read of %q", n, sent["Cookie"])
		}
	})
}

func BenchmarkSticky(b *testing.B) {
	line := "session=0123456789abcdef0123456789abcdef; theme=dark; lb=0123456789abcdef; _ga=GA1.1.1234567890.1234567890"
	for _, s := range []Sticky{{}, {Cookie: "lb", Path: "/"}} {
		b.Run("cookie="+s.Cookie, func(b *testing.B) {
			b.ReportAllocs()
			var h message.Header
			for b.Loop() {
				h.Reset()
				h.Add(message.Cookie, line)
				if s.token(&h) != 0 {
					s.strip(&h)
				}
			}
		})
	}
}
