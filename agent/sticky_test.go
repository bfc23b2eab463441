package agent

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestSessions(t *testing.T) {
	server := func(name string) string {
		return handler(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, name+" "+strings.Join(r.Header["Cookie"], ";"))
		})
	}
	format := `
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "a" { address = %q }
			server "b" { address = %q }
			%s
			%s
		}`
	const sticky = "sticky {\ncookie = \"shop-lb\"\nttl = \"1h\"\n}"
	one, two := server("a"), server("b")
	a := run(t, parse(t, format, one, two, sticky, ""))
	ask := func(cookie string) (body, set string) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url("web"), nil)
		req.Header.Set("Cookie", cookie)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		all, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(all), resp.Header.Get("Set-Cookie")
	}
	home, set := ask("x=1")
	session, attributes, _ := strings.Cut(set, ";")
	if !strings.HasPrefix(session, "shop-lb=") || attributes != " Path=/; Max-Age=3600; HttpOnly; SameSite=Lax" {
		t.Fatalf("the first answer sets %q", set)
	}
	stays := func() {
		t.Helper()
		for range 4 {
			if body, set := ask("x=1; " + session); body != home || set != "" {
				t.Errorf("got %q, which sets %q; want %q", body, set, home)
			}
		}
	}
	stays()
	if err := a.Reload(parse(t, format, one, two, sticky, `timeouts { first_byte = "5s" }`)); err != nil {
		t.Fatal(err)
	}
	stays()
	if err := a.Reload(parse(t, format, one, two, "", "")); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	eventually(t, "nobody stays without sticky", func() bool {
		body, set := ask(session)
		seen[body[:1]] = true
		return len(seen) == 2 && set == ""
	})
}
