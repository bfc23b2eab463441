package agent

import (
	"net/http"
	"strings"
	"testing"
)

// Limits and rules get from the configuration to the traffic, and what the
// circuit breaker does to the log.
func TestLimitsAndHeadersAreConfigured(t *testing.T) {
	broken := handler(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Saw", r.Header.Get("X-Client")+"|"+r.Header.Get("X-Forwarded-For")+"|"+r.Header.Get("Forwarded"))
		w.WriteHeader(http.StatusInternalServerError)
	})
	a := run(t, parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
			headers {
				forwarded     = true
				trusted_peers = []
				request {
					set = { "X-Client" = "{client_ip} {backend_id}" }
				}
			}
			limits {
				max_headers      = 16
				max_request_line = 100
				circuit_breaker { min_requests = 3 }
			}
		}
		upstream "slow" {
			listen = "127.0.0.1:0"
			server "one" { address = %q }
			limits {
				rate_limit { requests_per_second = 0.001 }
			}
		}`, broken, broken))
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url("web"), nil)
	request.Header.Set("X-Forwarded-For", "203.0.113.9") // whom nobody believes here
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if got := resp.Header.Get("X-Saw"); !strings.HasPrefix(got, "127.0.0.1 one|127.0.0.1|for=127.0.0.1;host=") {
		t.Errorf("the backend saw %q", got)
	}
	if resp, _ := get(t, a.url("web")+"/"+strings.Repeat("x", 200)); resp.StatusCode != http.StatusRequestURITooLong {
		t.Errorf("a long request line: %d", resp.StatusCode)
	}
	get(t, a.url("web"))
	get(t, a.url("web"))
	eventually(t, "the circuit is open", func() bool { resp, _ := get(t, a.url("web")); return resp.StatusCode == 503 })
	if log := a.log.String(); !strings.Contains(log, "the circuit breaker is open") || !strings.Contains(log, "from=closed") {
		t.Errorf("logged:\n%s", log)
	}
	if s := a.status(t).Upstreams[0].Limits; s.Circuit == nil || *s.Circuit != (CircuitStatus{"open", 1}) || s.Rejected["circuit_open"] == 0 {
		t.Errorf("the status has %+v", s)
	}
	if resp, _ := get(t, a.url("slow")); resp.StatusCode != 500 {
		t.Errorf("the first: %d", resp.StatusCode)
	}
	if resp, _ := get(t, a.url("slow")); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the second: %d", resp.StatusCode)
	}
	_, text := get(t, a.url("admin")+"/metrics")
	for _, want := range []string{
		`outrigger_circuit_state{outrigger_upstream_name="web",state="open"} 1`,
		`outrigger_circuit_state{outrigger_upstream_name="web",state="closed"} 0`,
		`outrigger_circuit_state_changes_total{outrigger_upstream_name="web",state="open"} 1`,
		`outrigger_circuit_rejections_total{outrigger_upstream_name="web"} 1`,
		`outrigger_rejections_total{outrigger_upstream_name="slow",reason="rate_limited"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
	if strings.Contains(text, `outrigger_circuit_state{outrigger_upstream_name="slow"`) {
		t.Error("there is a circuit where there is no breaker")
	}
}
