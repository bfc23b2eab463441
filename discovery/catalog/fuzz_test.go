package catalog

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whatever is sent to register, nothing panics, a refusal has a reason, and
// every list can still be read.
func FuzzRegister(f *testing.F) {
	paths := []string{
		"/v1/agent/service/register", "/v1/agent/check/register", "/v1/catalog/register", "/v1/catalog/deregister",
		"/v1/agent/check/update/c", "/v1/query",
	}
	for i, body := range []string{
		`{"ID": "w", "Name": "web", "Port": 80, "Tags": ["a"], "Check": {"CheckID": "c", "TTL": "10s"}, "Connect": {"Native": true}}`,
		`{"ID": "c", "Name": "c", "ServiceID": "web", "HTTP": "http://127.0.0.1:1", "Interval": "1h"}`,
		`{"Node": "x", "Address": "127.0.0.1", "Service": {"ID": "s", "Service": "web"}, "Checks": [{"Name": "c", "ServiceID": "s"}]}`,
		`{"Node": "dev-node", "CheckID": "c"}`,
		`{"Status": "passing", "Output": "x"}`,
		`{"Name": "q", "Service": {"Service": "web", "Tags": ["!a"]}}`,
		`{"Node": "dev-node", "Address": "1.1.1.1", "ID": "x", "Service": {"ID": "web", "Service": "other"}, "Check": {"CheckID": "c", "ServiceID": "web"}}`,
		`{"Name": "web", "Check": null, "Checks": [null]}`, `null`, `[]`, `{`, ``,
	} {
		f.Add(uint8(i), body, body)
	}
	f.Fuzz(func(t *testing.T, which uint8, first, second string) {
		c := New(Options{})
		put(t, c, "/v1/agent/service/register", `{"Name": "web", "Check": {"CheckID": "c", "TTL": "1h"}}`)
		for i, body := range []string{first, second, first} {
			path := paths[(int(which)+i)%len(paths)]
			method := "PUT"
			if path == "/v1/query" {
				method = "POST"
			}
			status, text := call(t, c, method, path, body)
			switch status {
			case 200:
			case 400, 404, 413, 500:
				if strings.TrimSpace(text) == "" {
					t.Errorf("%s %q: %d without a reason", path, body, status)
				}
			default:
				t.Errorf("%s %q: %d %s", path, body, status, text)
			}
		}
		for _, path := range []string{
			"/v1/agent/services", "/v1/agent/checks", "/v1/catalog/nodes", "/v1/catalog/services", "/v1/health/state/any",
			"/v1/health/service/web", "/v1/health/connect/web", "/v1/catalog/service/web", "/v1/catalog/node/dev-node",
		} {
			status, text := call(t, c, "GET", path, "")
			if status != 200 || !json.Valid([]byte(text)) {
				t.Errorf("after %q and %q: GET %s: %d %s", first, second, path, status, text)
			}
		}
		c.Restore()
	})
}
