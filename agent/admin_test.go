package agent

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The JSON names that scripts rely on.
func TestAnswersHaveTheirNames(t *testing.T) {
	a := run(t, parse(t, `
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "one" { address = %q }
			server "two" {
				address = %q
				weight  = 3
				zone    = "z"
			}
		}`, backend(t, "one"), backend(t, "two")))
	for range 8 {
		get(t, a.url("web"))
	}
	var explained struct {
		Backends []map[string]any
		Strategy string
	}
	_, body := get(t, a.url("admin")+"/v1/upstreams/web")
	if err := json.Unmarshal([]byte(body), &explained); err != nil {
		t.Fatal(err)
	}
	if len(explained.Backends) != 2 || explained.Strategy != "round_robin" {
		t.Fatalf("got %s", body)
	}
	for _, b := range explained.Backends {
		for _, name := range []string{"id", "address", "state", "reason", "rule", "weight", "share", "active", "requests", "failures", "catalog", "probe", "since"} {
			if _, ok := b[name]; !ok {
				t.Errorf("a backend has no %q: %v", name, b)
			}
		}
		for name, inner := range map[string][]string{"catalog": {"status", "check", "output"}, "probe": {"status", "output"}} {
			for _, key := range inner {
				if _, ok := b[name].(map[string]any)[key]; !ok {
					t.Errorf("%s has no %q: %v", name, key, b[name])
				}
			}
		}
	}
	if two := explained.Backends[1]; two["id"] != "two" || two["state"] != "up" || two["weight"] != 3.0 || two["share"] != 0.75 || two["requests"] != 6.0 {
		t.Errorf("got %v", two)
	}
	var status map[string]any
	_, body = get(t, a.url("admin")+"/v1/status")
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatal(err)
	}
	row := status["upstreams"].([]any)[0].(map[string]any)
	for _, name := range []string{"name", "listen", "strategy", "backends", "requests_per_s", "error_share", "p50_s", "p99_s"} {
		if _, ok := row[name]; !ok {
			t.Errorf("a row of status has no %q: %v", name, row)
		}
	}
	if row["backends"].(map[string]any)["up"] != 2.0 || row["requests_per_s"].(float64) <= 0 || row["p99_s"].(float64) <= 0 {
		t.Errorf("got %v", row)
	}
	_, body = get(t, a.url("admin")+"/metrics")
	if !strings.Contains(body, "\nhttp_server_request_duration_seconds_count{") {
		t.Errorf("/metrics lacks the requests:\n%s", body)
	}
}

func TestAdminRefuses(t *testing.T) {
	a := run(t, parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "one" { address = "127.0.0.1:1" }
		}`))
	for _, tt := range []struct {
		name, method, path, host, site string
		status                         int
	}{
		{"fine", "GET", "/v1/status", "", "", 200},
		{"localhost", "GET", "/v1/status", "localhost:9917", "", 200},
		{"IPv6", "GET", "/v1/status", "[::1]:9917", "", 200},
		{"a name that was made to point here", "GET", "/v1/status", "evil.example", "", 403},
		{"a name that begins like an address", "GET", "/v1/status", "127.0.0.1.evil.example", "", 403},
		{"no name", "GET", "/v1/status", "", "cross-site", 403},
		{"typed by a person", "GET", "/livez", "", "none", 200},
		{"a change", "POST", "/v1/status", "", "", 405},
		{"an unknown path", "GET", "/debug/pprof/", "", "", 404},
		{"an unknown upstream", "GET", "/v1/upstreams/nope", "", "", 404},
		{"readiness of an unknown upstream", "GET", "/readyz?upstream=nope", "", "", 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), tt.method, a.url("admin")+tt.path, nil)
			if tt.host != "" {
				req.Host = tt.host
			}
			if tt.site != "" {
				req.Header.Set("Sec-Fetch-Site", tt.site)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("got %d, want %d", resp.StatusCode, tt.status)
			}
			if resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Error("other sites are let in")
			}
		})
	}
}

func TestReadiness(t *testing.T) {
	consul := startConsul(t)
	a := run(t, parse(t, `
		consul { address = %q }
		upstream "web" {
			listen = "127.0.0.1:0"
			consul { service = "web" }
		}
		upstream "fixed" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
		}`, consul.address, backend(t, "one")))
	var answer readiness
	check := func(query string) int {
		t.Helper()
		resp, body := get(t, a.url("admin")+"/readyz"+query)
		answer = readiness{}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	eventually(t, "Consul has answered", func() bool { return check("") == 503 && strings.Contains(answer.Upstreams["web"], "knows no instance") })
	if code := check("?upstream=fixed"); code != 200 || !answer.Ready {
		t.Errorf("the upstream that has a backend: %d %+v", code, answer)
	}
	if code := check("?upstream=web"); code != 503 || answer.Ready {
		t.Errorf("the upstream that has none: %d %+v", code, answer)
	}
	if resp, body := get(t, a.url("web")); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("called, it says %d %s", resp.StatusCode, body)
	}
	consul.register(t, "web", "web-1", backend(t, "web-1"))
	eventually(t, "it is ready", func() bool { return check("") == 200 && answer.Ready })
	if _, body := get(t, a.url("web")); body != "web-1" {
		t.Errorf("called, it says %q", body)
	}
}

// While an agent drains it says so, and that it is alive.
func TestReadinessWhileDraining(t *testing.T) {
	release := make(chan struct{})
	arrived := make(chan struct{})
	slow := handler(t, func(http.ResponseWriter, *http.Request) { close(arrived); <-release })
	a := run(t, parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
		}`, slow))
	admin, done := a.url("admin"), make(chan int)
	go func() { resp, _ := get(t, a.url("web")); done <- resp.StatusCode }()
	<-arrived
	a.stop()
	eventually(t, "it is not ready", func() bool {
		resp, body := get(t, admin+"/readyz")
		return resp.StatusCode == 503 && strings.Contains(body, "draining")
	})
	if resp, _ := get(t, admin+"/livez"); resp.StatusCode != 200 {
		t.Errorf("alive: %d", resp.StatusCode)
	}
	close(release)
	if code := <-done; code != 200 {
		t.Errorf("the request in flight got %d", code)
	}
	begin := time.Now()
	if err := a.end(t); err != nil || time.Since(begin) > 5*time.Second {
		t.Errorf("ended with %v after %v", err, time.Since(begin))
	}
}
