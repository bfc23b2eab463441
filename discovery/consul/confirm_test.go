package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

const management = "11111111-2222-3333-4444-555555555555"

// catalogOf serves an embedded catalog over loopback.
func catalogOf(t *testing.T, o catalog.Options) (c *catalog.Catalog, address string) {
	t.Helper()
	c = catalog.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c, consulIs(t, c.ServeHTTP)
}

// call makes a call to Consul's API and reads its answer into one.
func call(t *testing.T, address, method, path, token string, body, into any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(string(raw)))
	req.Header.Set("X-Consul-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
}

func register(t *testing.T, address, token, service, id string, port int) {
	t.Helper()
	call(t, address, http.MethodPut, "/v1/agent/service/register", token,
		map[string]any{"Name": service, "ID": id, "Address": "127.0.0.1", "Port": port}, nil)
}

// tokenWith makes a token with rules.
func tokenWith(t *testing.T, address, name, rules string) (secret, accessor string) {
	t.Helper()
	call(t, address, http.MethodPut, "/v1/acl/policy", management, map[string]any{"Name": name, "Rules": rules}, nil)
	var token struct{ SecretID, AccessorID string }
	call(t, address, http.MethodPut, "/v1/acl/token", management,
		map[string]any{"Policies": []any{map[string]any{"Name": name}}}, &token)
	return token.SecretID, token.AccessorID
}

// Whoever is shown nothing must not conclude that there is nothing.
func TestConfirm(t *testing.T) {
	full := `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`
	for _, tt := range []struct {
		name    string
		acl     *catalog.ACL
		rules   string // of the token; "" sends none
		service string
		want    int    // instances
		class   string // of the error; "" for none
		says    string
	}{
		{"no ACLs", nil, "", "web", 1, "", ""},
		{"no ACLs, none", nil, "", "none", 0, "", ""},
		{"a good token", &catalog.ACL{}, full, "web", 1, "", ""},
		{"a good token, none", &catalog.ACL{}, full, "none", 0, "", ""},
		{"no token", &catalog.ACL{}, "", "web", 0, "hidden", "sends no token"},
		{"no token, none", &catalog.ACL{}, "", "none", 0, "hidden", `service:read on "none" and node:read`},
		{"no token, and all is allowed", &catalog.ACL{DefaultPolicy: "allow"}, "", "none", 0, "", ""},
		{"no right to the service", &catalog.ACL{}, `node_prefix "" { policy = "read" }`, "web", 0, "hidden", `service:read on "web"`},
		{"no right to the node", &catalog.ACL{}, `service_prefix "" { policy = "read" }`, "web", 0, "hidden", "node:read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := catalog.Options{ACL: tt.acl}
			if o.ACL != nil {
				o.ACL.InitialManagement = management
			}
			_, address := catalogOf(t, o)
			register(t, address, management, "web", "web-1", 80)
			config := Config{Address: address}
			if tt.rules != "" {
				config.Token, _ = tokenWith(t, address, "own", tt.rules)
			}
			s, err := clientOf(t, config).Source(Query{Service: tt.service}).Confirm(t.Context())
			known, _ := errors.AsType[*discovery.Error](err)
			switch {
			case tt.class == "" && (err != nil || len(s.Instances) != tt.want || s.Index == 0 || s.At.IsZero() || !s.Origin.Leader || s.Origin.Server != address):
				t.Errorf("%+v, %v", s, err)
			case tt.class != "" && (known == nil || known.Class != tt.class || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("%+v, %v", s, err)
			case tt.class != "" && config.Token != "" && strings.Contains(err.Error(), config.Token):
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
}

// A confirming read is what only the leader answers: neither stale nor
// blocking, and from no cache.
func TestConfirmAsksTheLeader(t *testing.T) {
	var asked []string
	address := consulIs(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		w.Header().Set("X-Consul-Index", "7")
		w.Header().Set("X-Consul-Knownleader", "true")
		w.Header().Set("X-Consul-Lastcontact", "0")
		if strings.HasPrefix(r.URL.Path, "/v1/acl") {
			http.Error(w, "ACL support disabled", http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, "[]")
	})
	client := clientOf(t, Config{Address: address})
	if _, err := client.Source(Query{Service: "web", Datacenter: "dc2", Filter: "x"}).Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "/v1/health/service/web?dc=dc2&filter=x /v1/acl/token/self?dc=dc2"; strings.Join(asked, " ") != want {
		t.Errorf("asked %q", asked)
	}
}

// Headers that are missing prove nothing.
func TestConfirmNeedsALeader(t *testing.T) {
	for name, headers := range map[string]map[string]string{
		"no leader":       {"X-Consul-Knownleader": "false", "X-Consul-Lastcontact": "0"},
		"no last contact": {"X-Consul-Knownleader": "true"},
		"nothing at all":  {},
	} {
		address := consulIs(t, func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range headers {
				w.Header().Set(k, v)
			}
			_, _ = fmt.Fprint(w, `[{"Node":{"Node":"n","Address":"10.0.0.1"},"Service":{"ID":"a","Port":1}}]`)
		})
		_, err := clientOf(t, Config{Address: address}).Source(Query{Service: "web"}).Confirm(t.Context())
		if known, ok := errors.AsType[*discovery.Error](err); !ok || known.Class != "server" || !strings.Contains(err.Error(), "leader") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whether the token counts may itself be impossible to find out.
func TestConfirmWithoutAnAnswerAboutTheToken(t *testing.T) {
	address := consulIs(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-Knownleader", "true")
		w.Header().Set("X-Consul-Lastcontact", "0")
		if strings.HasPrefix(r.URL.Path, "/v1/acl") {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, "[]")
	})
	_, err := clientOf(t, Config{Address: address, Token: "5ecret"}).Source(Query{Service: "web"}).Confirm(t.Context())
	if known, ok := errors.AsType[*discovery.Error](err); !ok || known.Class != "server" || strings.Contains(err.Error(), "5ecret") {
		t.Errorf("got %v", err)
	}
}

// An answer tells where it came from. The one that is streamed says nothing of
// leader and lag, and that is no outage.
func TestOrigins(t *testing.T) {
	c, address := catalogOf(t, catalog.Options{})
	register(t, address, "", "web", "web-1", 80)
	source := clientOf(t, Config{Address: address, Datacenter: "dc1"}).Source(Query{Service: "web"})
	first, err := source.Fetch(t.Context(), 0)
	if err != nil || first.Origin.Streamed || !first.Origin.Leader || first.Origin.Datacenter != "dc1" {
		t.Fatalf("%+v, %v", first.Origin, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	next := make(chan discovery.Snapshot)
	go func() {
		s, err := source.Fetch(ctx, first.Index)
		if err != nil {
			t.Error(err)
		}
		next <- s
	}()
	register(t, address, "", "web", "web-2", 81)
	if s := <-next; !s.Origin.Streamed || len(s.Instances) != 2 {
		t.Errorf("%+v", s)
	}
	_ = c
}
