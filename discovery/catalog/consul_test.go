package catalog_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// The scripts of script_test.go, called on a real Consul and on a Catalog side
// by side, must be answered alike. OUTRIGGER_TEST_CONSUL names the Consul: the
// path of its program, which is started and stopped here, or the address of a
// running one, "http://…". That should be a fresh -dev agent: what it holds
// itself is left alone, but checks of its node and warm caches are differences.

func TestLikeConsul(t *testing.T) {
	address, node := consul(t, "")
	_, ours := serve(t, catalog.Options{Node: node})
	pair := sideBySide{comparison: newComparison(t), consul: address, catalog: ours}
	pair.run(readScript, "")
}

func TestLikeConsulWithACL(t *testing.T) {
	rules := `acl { enabled = true default_policy = "deny" tokens { initial_management = "` + management + `" agent = "` + management + `" } }`
	address, node := consul(t, rules)
	_, ours := serve(t, catalog.Options{Node: node, ACL: &catalog.ACL{InitialManagement: management}})
	pair := sideBySide{comparison: newComparison(t), consul: address, catalog: ours}
	pair.run(aclScript, management)
}

// consul returns the base URL of a Consul and its node's name, or skips the
// test. Only a Consul started here can be given a configuration.
func consul(t *testing.T, config string) (address, node string) {
	t.Helper()
	where := os.Getenv("OUTRIGGER_TEST_CONSUL")
	switch {
	case where == "":
		t.Skip("OUTRIGGER_TEST_CONSUL names no Consul to compare with")
	case !strings.HasPrefix(where, "http"):
		return startConsul(t, where, config), "dev-node"
	case config != "":
		t.Skip("a running Consul cannot be configured")
	}
	var self struct{ Config struct{ NodeName string } }
	get(t, where+"/v1/agent/self", &self)
	return strings.TrimSuffix(where, "/"), self.Config.NodeName
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

func startConsul(t *testing.T, program, config string) string {
	t.Helper()
	port := freePorts(t, 4)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "agent", "-dev", "-node", "dev-node",
		"-bind", "127.0.0.1", "-client", "127.0.0.1", "-hcl", config,
		"-grpc-port", "-1", "-grpc-tls-port", "-1", "-dns-port", "-1",
		"-http-port", port[0], "-server-port", port[1], "-serf-lan-port", port[2], "-serf-wan-port", port[3])
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait() // killed, so it fails
	})
	base := "http://127.0.0.1:" + port[0]
	until(t, "Consul has a leader and knows itself", func() bool {
		for _, path := range []string{"/v1/status/leader", "/v1/health/node/dev-node"} {
			r, err := http.NewRequest("GET", base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Consul-Token", management)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return false
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || len(body) < 5 {
				return false
			}
		}
		return true
	})
	return base
}

// until waits for a condition of another process, 30s at most.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func freePorts(t *testing.T, n int) (ports []string) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports
}

// serve runs a catalog behind a server on loopback until the test ends.
func serve(t *testing.T, o catalog.Options) (*catalog.Catalog, string) {
	t.Helper()
	c := catalog.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	server := httptest.NewServer(c)
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return c, server.URL
}

// A scriptCall is one line of a script. Its path and body may hold $target, an
// HTTP server that is well, and $index, the index last seen on that path.
type scriptCall struct {
	method, path, body string
	token              string
	options                        // how to compare
	during             *scriptCall // made while this one blocks
}

type options struct {
	eventually bool     // repeat until the answers agree, for checks take time
	skip       []string // of comparison
	woken      bool     // the call must end long before its wait does
}

type sideBySide struct {
	comparison
	consul, catalog string // base URLs
}

func (s *sideBySide) run(script []scriptCall, token string) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "well")
	}))
	defer target.Close()
	replace := strings.NewReplacer("$target", target.URL, "$tcp", strings.TrimPrefix(target.URL, "http://"))
	seen := map[string]string{} // path → Consul's last index on it
	for n, call := range script {
		s.label = fmt.Sprintf("line %d, %s %s %s", n+1, call.method, call.path, call.body)
		s.skip = call.skip
		if call.token == "" {
			call.token = token
		}
		plainPath, _, _ := strings.Cut(call.path, "?")
		path := strings.ReplaceAll(replace.Replace(call.path), "$index", seen[plainPath])
		body := replace.Replace(call.body)
		if call.eventually {
			s.agree(call.method, path, body, call.token)
		}
		theirs := s.blocking(s.consul, call, path, body)
		ours := s.blocking(s.catalog, call, s.translate(path), body)
		if index := theirs.Header.Get("X-Consul-Index"); index != "" {
			seen[plainPath] = index
		}
		s.compare(recorded(s.t, theirs), ours)
	}
}

// agree waits until both answer the same body, for a while.
func (s *sideBySide) agree(method, path, body, token string) {
	until(s.t, "both agree on "+path, func() bool {
		var bodies []string
		for _, base := range []string{s.consul, s.catalog} {
			resp := send(s.t, base, method, path, body, token)
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				s.t.Fatal(err)
			}
			bodies = append(bodies, indexField.ReplaceAllString(string(uuid.ReplaceAll(text, nil)), ""))
		}
		return bodies[0] == bodies[1]
	})
}

// blocking makes a call, and the other one meanwhile.
func (s *sideBySide) blocking(base string, call scriptCall, path, body string) *http.Response {
	began := time.Now()
	if call.during == nil {
		return send(s.t, base, call.method, path, body, call.token)
	}
	result := make(chan *http.Response)
	go func() { result <- send(s.t, base, call.method, path, body, call.token) }()
	// There is no telling from outside that a query blocks; one that did not
	// yet would see the change at once, which is as good.
	pause := time.NewTimer(150 * time.Millisecond)
	<-pause.C
	send(s.t, base, call.during.method, call.during.path, call.during.body, cmp.Or(call.during.token, call.token))
	resp := <-result
	if took := time.Since(began); call.woken && took > 800*time.Millisecond {
		s.errorf("%s was not woken: %s", base, took)
	}
	return resp
}

func send(t *testing.T, base, method, path, body, token string) *http.Response {
	r, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return &http.Response{Body: http.NoBody}
	}
	if token != "anonymous" {
		r.Header.Set("X-Consul-Token", token)
	}
	r.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return &http.Response{Body: http.NoBody}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	return resp
}

// recorded makes a live answer of Consul comparable.
func recorded(t *testing.T, resp *http.Response) recordedAnswer {
	a := recordedAnswer{Status: resp.StatusCode, Headers: map[string]string{}}
	for name := range resp.Header {
		if name != "Date" && name != "Content-Length" {
			a.Headers[strings.ToLower(name)] = resp.Header.Get(name)
		}
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.BodyKind, a.Body = "text", string(text)
	if len(text) > 0 && a.Headers["content-type"] == "application/json" {
		a.BodyKind = "json"
		if err := json.Unmarshal(text, &a.Body); err != nil {
			t.Errorf("Consul's body: %v", err)
		}
	}
	return a
}
