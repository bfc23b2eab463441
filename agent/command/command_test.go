package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outcome is what a command did.
type outcome struct {
	code           int
	stdout, stderr string
}

func call(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := Run(t.Context(), Env{
		Stdout: &stdout, Stderr: &stderr, Getenv: func(name string) string { return env[name] },
		Build: agent.Build{Version: "1.2.3", Revision: "abc"},
	}, args)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args           string
		code           int
		stdout, stderr string
	}{
		{"", 2, "", "Usage:"},
		{"help", 0, "explain UPSTREAM", ""},
		{"--help", 0, "Usage:", ""},
		{"dance", 2, "", `no command "dance"`},
		{"version -h", 0, "", "-json"},
		{"version --json", 0, `"version":"1.2.3"`, ""},
		{"version -json", 0, `"go_version":"` + runtime.Version() + `"`, ""},
		{"version", 0, "outrigger 1.2.3 (abc) " + runtime.Version(), ""},
		{"version now", 2, "", `unexpected "now"`},
		{"version -loud", 2, "", "-loud"},
		{"agent", 2, "", "-config"},
		{"agent agent.hcl", 2, "", "is -config missing?"},
		{"agent -config nowhere.hcl", 1, "", "nowhere.hcl"},
		{"validate", 2, "", "name the files"},
		{"explain", 2, "", "name one upstream"},
		{"explain a b", 2, "", "name one upstream"},
		{"status web", 2, "", `unexpected "web"`},
		{"dev-catalog -h", 0, "", "-faults"},
		{"dev-catalog now", 2, "", `unexpected "now"`},
		{"dev-catalog -listen 8500", 2, "", `-listen "8500" is no address`},
		{"dev-catalog -listen 0.0.0.0:8500", 2, "", "add -public"},
		{"dev-catalog -listen :8500", 2, "", "add -public"},
		{"dev-catalog -acl maybe", 2, "", `-acl is off, allow or deny, not "maybe"`},
		{"dev-catalog -token secret", 2, "", "-token has a meaning with -acl"},
		{"dev-catalog -log-level loud", 2, "", `not "loud"`},
		{"dev-catalog -listen 203.0.113.1:1 -public", 1, "", "cannot listen on 203.0.113.1:1"},
		{"status -admin 127.0.0.1:1", 1, "", "no agent answers at 127.0.0.1:1"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			o := call(t, nil, strings.Fields(tt.args)...)
			if o.code != tt.code || !strings.Contains(o.stdout, tt.stdout) || !strings.Contains(o.stderr, tt.stderr) || tt.stderr == "" && o.stderr != "" && !strings.HasSuffix(tt.args, "-h") {
				t.Errorf("exit %d, stdout %q, stderr %q", o.code, o.stdout, o.stderr)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.hcl"), filepath.Join(dir, "bad.hcl")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good, `upstream "a" {
  listen = "127.0.0.1:9001"
  server "s" { address = "127.0.0.1:1" }
}`)
	write(bad, `upstream "b" {
  listen   = "127.0.0.1:9002"
  strategy = "fastest"
  server "s" { address = "127.0.0.1" }
}`)
	if o := call(t, nil, "validate", good); o.code != 0 || o.stdout != "valid: 1 upstreams\n" {
		t.Errorf("good: %+v", o)
	}
	o := call(t, nil, "validate", good, bad)
	for _, want := range []string{bad + ":3,14-23: ", bad + ":4,26-37: ", `strategy = "fastest"`, "^^^"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the report lacks %q:\n%s", want, o.stdout)
		}
	}
	if o.code != 1 {
		t.Errorf("exit %d", o.code)
	}
	if o := call(t, nil, "validate", "../../agent.hcl"); o.code != 0 {
		t.Errorf("agent.hcl: %+v", o)
	}
}

// The whole command, with everything that -dev starts.
func TestAgentDev(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.hcl")
	config := `
admin { listen = "127.0.0.1:0" }
upstream "shop" {
  listen = "127.0.0.1:0"
  consul { service = "web" }
}`
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stdout, stderr := newLines(), newLines()
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, Env{Stdout: stdout, Stderr: stderr}, []string{"agent", "-dev", "-dev-catalog", "127.0.0.1:0", "-config", path})
	}()
	url := stdout.wait(t, `curl (http://[^ ]+) +call shop`)
	admin := stdout.wait(t, `curl http://([^ ]+)/metrics`)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	faults := stdout.wait(t, `curl -X PUT '(http://[^']+/v1/dev/fault\?kind=no-leader)' +have the catalog err`)
	if resp, err := client.Do(put(t, faults, "")); err != nil || resp.StatusCode != 200 {
		t.Errorf("the fault that is shown: %v, %v", resp, err)
	}
	for range 3 {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(body), "web-") {
			t.Errorf("the app got %d %q", resp.StatusCode, body)
		}
	}
	for _, args := range [][]string{{"status", "-admin", admin}, {"explain", "-admin", admin, "shop"}, {"explain", "shop", "-admin", admin}} {
		if o := call(t, nil, args...); o.code != 0 || !strings.Contains(o.stdout, "shop") || !strings.Contains(o.stdout, "up") {
			t.Errorf("%v: %+v", args, o)
		}
	}
	if o := call(t, map[string]string{"OUTRIGGER_ADMIN": admin}, "status", "-json"); o.code != 0 || !json.Valid([]byte(o.stdout)) {
		t.Errorf("with OUTRIGGER_ADMIN: %+v", o)
	}
	if o := call(t, nil, "explain", "-admin", admin, "nobody"); o.code != 1 || !strings.Contains(o.stderr, `no upstream "nobody"; there are: shop`) {
		t.Errorf("an unknown upstream: %+v", o)
	}
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// answers plays an agent with fixed answers.
func answers(t *testing.T, answer any) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(answer) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestTables(t *testing.T) {
	now := time.Now()
	up := map[string]int{"up": 2, "down": 1}
	status := agent.Status{Version: "1.2.3", State: "running", Started: now.Add(-90 * time.Minute), Reload: &agent.ReloadStatus{At: now.Add(-time.Minute), Error: "port\ntaken"},
		Service: &agent.ServiceStatus{Name: "shop", ID: "shop-1", Since: now.Add(-time.Second), Error: "refused\n"}, Upstreams: []agent.UpstreamStatus{
			{Name: "web", Listen: "127.0.0.1:9101", Strategy: "round_robin", Ready: true, Backends: up, Catalog: &agent.CatalogStatus{WatchStatus: agent.WatchStatus{Freshness: "fresh", Age: 2.5}}, PerSecond: 12.34, ErrorShare: 0.015, P50: 0.0012, P99: 1.5, Active: 3},
			{Name: "a-much-longer-name", Listen: "unix:///run/x.sock", Strategy: "ip_hash", Backends: map[string]int{}, Reason: "no answer from Consul yet"},
		}}
	o := call(t, nil, "status", "-admin", answers(t, status))
	want := `outrigger 1.2.3, running, up 1h30m
last reload failed, the configuration before it is in force: port taken (1m0s ago)
service shop is not registered as shop-1, for 1s: refused 

UPSTREAM            LISTEN              STRATEGY     BACKENDS      CATALOG     REQ/S  ERRORS    P50   P99  ACTIVE
web                 127.0.0.1:9101      round_robin  2 up, 1 down  fresh 2.5s   12.3    1.5%  1.2ms  1.5s       3
a-much-longer-name  unix:///run/x.sock  ip_hash      none          static        0.0      0%      -     -       0

a-much-longer-name: no answer from Consul yet
`
	if o.stdout != want {
		t.Errorf("got\n%s\nwant\n%s", o.stdout, want)
	}
	status.Service = &agent.ServiceStatus{Name: "shop", ID: "shop-1", Registered: true, Since: now.Add(-time.Hour)}
	if o = call(t, nil, "status", "-admin", answers(t, status)); !strings.Contains(o.stdout, "\nservice shop is registered as shop-1, for 1h0m\n") {
		t.Errorf("got\n%s", o.stdout)
	}
	status.Upstreams, status.Reload = nil, nil
	if o = call(t, nil, "status", "-admin", answers(t, status)); !strings.HasSuffix(o.stdout, "up 1h30m\nservice shop is registered as shop-1, for 1h0m\n") {
		t.Errorf("without upstreams: %q", o.stdout)
	}
	explanation := agent.Explanation{
		UpstreamStatus: agent.UpstreamStatus{Name: "web", Listen: "127.0.0.1:9101", Protocol: "http", Strategy: "random", Panic: true, Usable: 2,
			Catalog: &agent.CatalogStatus{Service: "web", WatchStatus: agent.WatchStatus{Freshness: "stale", Age: 200, Error: "refused"}, Skipped: []string{"x: no port"}}},
		Backends: []agent.Backend{
			{ID: "n/a", Address: "10.0.0.1:80", State: "up", Rule: 13, Reason: "the catalog says passing", Since: now.Add(-49 * time.Hour), Weight: 5, Share: 0.5, Requests: 10, Catalog: agent.BackendCatalog{Status: "passing", Output: "fine"}, Probe: agent.BackendProbe{Status: "up"}, Mean: 0.0025},
			{ID: "n/b", Address: "10.0.0.2:80", State: "down", Rule: 7, Reason: "the catalog says critical", Since: now.Add(-5 * time.Second), Requests: 10, Failures: 1, Catalog: agent.BackendCatalog{Status: "critical", Output: "\x1b[31mgone\r\n"}, Probe: agent.BackendProbe{Status: "off"}},
		},
	}
	o = call(t, nil, "explain", "web", "-admin", answers(t, explanation))
	want = `web on 127.0.0.1:9101: http, random; service "web" in Consul, stale 3m20s
Consul: refused
left out: x: no port
panic: too few backends are up, so that others are used as well

BACKEND  ADDRESS      STATE  WEIGHT  SHARE  ACTIVE  REQUESTS  FAILED   MEAN  CATALOG   PROBE  SINCE  RULE  WHY
n/a      10.0.0.1:80  up          5    50%       0        10       0  2.5ms  passing   up        2d    13  the catalog says passing
n/b      10.0.0.2:80  down        0     0%       0        10       1      -  critical  off       5s     7  the catalog says critical:  [31mgone
`
	if o.stdout != want {
		t.Errorf("got\n%s\nwant\n%s", o.stdout, want)
	}
}

func TestPanicInStatus(t *testing.T) {
	for want, u := range map[string]agent.UpstreamStatus{
		"1 up, 2 down (panic: all used)":  {Panic: true, Ready: true, Backends: map[string]int{"up": 1, "down": 2}},
		"1 up, 2 down (panic: none used)": {Panic: true, Backends: map[string]int{"up": 1, "down": 2}},
	} {
		if got := backends(u).text; got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// Columns and lines are there where they tell something.
func TestExplainTables(t *testing.T) {
	since := time.Now().Add(-time.Minute)
	row := func(id string, change func(*agent.Backend)) agent.Backend {
		b := agent.Backend{ID: id, Address: id + ":80", State: "up", Usable: true, Rule: 13, Reason: "passing", Since: since, Weight: 1,
			Share: .5, Tier: 1, Tiers: 1, Planned: .5, Ramp: 1, Catalog: agent.BackendCatalog{Status: "passing"}, Probe: agent.BackendProbe{Status: "off"}}
		change(&b)
		return b
	}
	same := func(*agent.Backend) {}
	head := agent.UpstreamStatus{Name: "web", Listen: ":1", Protocol: "http", Strategy: "random"}
	for name, tt := range map[string]struct {
		e    func(*agent.Explanation)
		want string
	}{
		"nothing": {func(e *agent.Explanation) { e.Backends = []agent.Backend{row("a", same)} }, `web on :1: http, random

BACKEND  ADDRESS  STATE  WEIGHT  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up          1    50%       0         0       0     -  passing  off     1m0s    13  passing
`},
		"all in the own zone": {func(e *agent.Explanation) {
			e.Zone = "z1"
			e.Backends = []agent.Backend{row("a", func(b *agent.Backend) { b.Zone = "z1" })}
		}, `web on :1: http, random, zone "z1" first

BACKEND  ADDRESS  STATE  WEIGHT  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up          1    50%       0         0       0     -  passing  off     1m0s    13  passing
`},
		"failing closed": {func(e *agent.Explanation) { e.Panic, e.Backends = true, []agent.Backend{row("a", same)} }, `web on :1: http, random
panic: too few backends are up, so that requests are refused (fail_closed)

BACKEND  ADDRESS  STATE  WEIGHT  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up          1    50%       0         0       0     -  passing  off     1m0s    13  passing
`},
		"tiers": {func(e *agent.Explanation) {
			e.Zone = "z1"
			e.Backends = []agent.Backend{
				row("a", func(b *agent.Backend) { b.Zone, b.Tiers, b.Planned, b.Share = "z1", 2, .7, .69 }),
				row("b", func(b *agent.Backend) {
					b.Zone, b.Priority, b.Tier, b.Tiers, b.Planned, b.Share = "z2", 1, 2, 2, .3, .31
				}),
				row("c", func(b *agent.Backend) {
					b.State, b.Usable, b.Tier, b.Tiers, b.Planned, b.Share, b.Ramp = "down", false, 0, 0, 0, 0, 0
				}),
			}
		}, `web on :1: http, random, zone "z1" first

BACKEND  ADDRESS  STATE  PRIORITY  ZONE  TIER    WEIGHT  PLAN  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up            0  z1    1 of 2       1   70%    69%       0         0       0     -  passing  off     1m0s    13  passing
b        b:80     up            1  z2    2 of 2       1   30%    31%       0         0       0     -  passing  off     1m0s    13  passing
c        c:80     down          0        -            1    0%     0%       0         0       0     -  passing  off     1m0s    13  passing
`},
		"a shadow, a queue and oddities": {func(e *agent.Explanation) {
			e.Catalog = &agent.CatalogStatus{Service: "web", WatchStatus: agent.WatchStatus{Freshness: "fresh", Age: 1}, Notes: []string{"x: its priority is odd"}}
			e.Queue = &agent.QueueStatus{Length: 100, Waiting: 3, Queued: 20, GaveUp: 1, Refused: 2}
			e.Shadow = &agent.ShadowStatus{Strategy: "first", Picks: 1204, AgreedShare: .43, Imbalance: agent.Imbalance{Picks: 1, ShadowPicks: 2, Load: 1.3, ShadowLoad: 1.25}}
			e.Backends = []agent.Backend{row("a", func(b *agent.Backend) { b.ShadowShare, b.ShadowActive = 1, 4 })}
		}, `web on :1: http, random; service "web" in Consul, fresh 1s
odd: x: its priority is odd
queue: 3 of 100 waiting; 20 waited so far, 1 gave up, 2 found it full
shadow: first chose the same backend in 43% of 1204 picks
imbalance of the last minute, 1 is even: picks 1.00, shadow 2.00; load 1.30, shadow 1.25

BACKEND  ADDRESS  STATE  WEIGHT  PLAN  SHARE  SHADOW  ACTIVE  S-ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up          1   50%    50%    100%       0         4         0       0     -  passing  off     1m0s    13  passing
`},
		"a slow start": {func(e *agent.Explanation) {
			e.Backends = []agent.Backend{row("a", func(b *agent.Backend) { b.Ramp, b.Planned, b.Reason = .4, .3, "passing; 40% ramped" })}
		}, `web on :1: http, random

BACKEND  ADDRESS  STATE  WEIGHT  PLAN  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up          1   30%    50%       0         0       0     -  passing  off     1m0s    13  passing; 40% ramped
`},
		"doubt, places and checks": {func(e *agent.Explanation) {
			e.Catalog = &agent.CatalogStatus{
				Service: "web", Doubt: "all are gone", Missing: 2,
				WatchStatus: agent.WatchStatus{Freshness: "fresh", Age: 1, Suspicion: &agent.SuspicionStatus{Reason: "all are gone", Since: since, Confirmations: 1, Needed: 2}},
				Places: []agent.Place{
					{Name: "web", Instances: 2, WatchStatus: agent.WatchStatus{Freshness: "fresh", Age: 1, Hidden: true, Since: since}},
					{Name: "web in dc2", WatchStatus: agent.WatchStatus{Freshness: "waiting", Error: "refused", ErrorKind: "network", Polling: true}},
				},
			}
			e.Backends = []agent.Backend{row("a", func(b *agent.Backend) {
				b.Place = "web"
				b.Catalog.Checks = []agent.BackendCheck{
					{ID: "serfHealth", Name: "Serf", Status: "passing", Output: "alive", Node: true},
					{ID: "disk", Name: "disk", Status: "critical", Output: "full\n", Ignored: true},
				}
			})}
		}, `web on :1: http, random; service "web" in Consul, doubted, fresh 1s
in doubt: all are gone; 2 kept that Consul does not list
suspicion for 1m0s, borne out 1 of 2 times: all are gone
place web: 2 instances, fresh 1s, hides some
  Consul hides instances: the token needs service:read, and node:read on their nodes
place web in dc2: 0 instances, waiting
  Consul: refused
  asked now and then, for more services are watched than may wait at Consul at once

BACKEND  ADDRESS  STATE  PLACE  WEIGHT  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up     web         1    50%       0         0       0     -  passing  off     1m0s    13  passing

BACKEND  CHECK              OF       STATUS             OUTPUT
a        serfHealth (Serf)  node     passing            alive
a        disk               service  critical, ignored  full
`},
		"TLS": {func(e *agent.Explanation) {
			e.TLS = &agent.TLSStatus{Generation: 2, Read: since, Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Error: "ca_file \"ca.pem\" holds no certificate (PEM)", Insecure: true}
			e.Backends = []agent.Backend{row("a", func(b *agent.Backend) {
				b.TLS = &agent.BackendTLS{Error: "handshake with a:80: its certificate is for \"\x1bb\"", Since: since}
			})}
		}, `web on :1: http, random
TLS: files read 1m0s ago; the agent's certificate expires at 2030-01-02T03:04:05Z; any certificate is taken (insecure_skip_verify)
TLS: what is in the files now cannot be used: ca_file "ca.pem" holds no certificate (PEM)
a, for 1m0s: handshake with a:80: its certificate is for " b"

BACKEND  ADDRESS  STATE  WEIGHT  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up          1    50%       0         0       0     -  passing  off     1m0s    13  passing
`},
		"a subset": {func(e *agent.Explanation) {
			e.Backends = []agent.Backend{row("a", func(b *agent.Backend) { b.Spared, b.Usable, b.Tier, b.Ramp, b.Planned = true, false, 0, 0, 0 })}
		}, `web on :1: http, random

BACKEND  ADDRESS  STATE  WEIGHT  PLAN  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up          1    0%    50%       0         0       0     -  passing  off     1m0s    13  passing
`},
	} {
		e := agent.Explanation{UpstreamStatus: head}
		tt.e(&e)
		if o := call(t, nil, "explain", "web", "-admin", answers(t, e)); o.stdout != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, o.stdout, tt.want)
		}
	}
}

func TestColourIsForTerminals(t *testing.T) {
	tab := table{}
	tab.header("A", "B")
	tab.add(cell{text: "x", colour: red}, number("1"))
	var plainText, colouredText bytes.Buffer
	tab.write(&plainText, false)
	tab.write(&colouredText, true)
	if strings.Contains(plainText.String(), "\x1b") || !strings.Contains(colouredText.String(), "\x1b[31mx\x1b[0m") {
		t.Errorf("plain %q, coloured %q", plainText.String(), colouredText.String())
	}
	if stripped := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(colouredText.String(), ""); stripped != plainText.String() {
		t.Errorf("the columns differ: %q and %q", stripped, plainText.String())
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if env := (Env{Getenv: func(string) string { return "" }}); coloured(env, f) || coloured(env, &plainText) {
		t.Error("a file is taken for a terminal")
	}
}

func TestWrongAnswers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"is that an outrigger agent?":  func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) },
		"that is no outrigger agent's": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"this is not for you": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, `{"error":"this is not for you"}`)
		},
	} {
		s := httptest.NewServer(handler)
		if o := call(t, nil, "status", "-admin", s.Listener.Addr().String()); o.code != 1 || !strings.Contains(o.stderr, name) {
			t.Errorf("%s: %+v", name, o)
		}
		s.Close()
	}
	if o := call(t, nil, "status", "-admin", "not an address"); o.code != 1 || o.stderr == "" {
		t.Errorf("no address: %+v", o)
	}
}

func TestBriefDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1500 * time.Nanosecond: "2µs", 1234567 * time.Nanosecond: "1.2ms", 1550 * time.Millisecond: "1.6s",
		61 * time.Second: "1m1s", 2*time.Hour + 29*time.Second: "2h0m", 50 * time.Hour: "2d",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v is shown as %q, want %q", d, got, want)
		}
	}
}

// lines collects output and lets a test wait for a part of it.
type lines struct {
	text chan string
	all  strings.Builder
}

func newLines() *lines { return &lines{text: make(chan string, 1000)} }

func (l *lines) Write(p []byte) (int, error) {
	select {
	case l.text <- string(p):
	default:
	}
	return len(p), nil
}

func (l *lines) wait(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for timeout := time.After(20 * time.Second); ; {
		if m := re.FindStringSubmatch(l.all.String()); m != nil {
			return m[1]
		}
		select {
		case s := <-l.text:
			fmt.Fprint(&l.all, s)
		case <-timeout:
			t.Fatalf("waited in vain for %s in\n%s", pattern, l.all.String())
		}
	}
}
