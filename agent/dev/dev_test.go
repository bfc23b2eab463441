package dev

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, address string) *Demo {
	t.Helper()
	d, err := Start(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	return d
}

func do(t *testing.T, method, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func TestDemoIsHealthyAtOnce(t *testing.T) {
	begin := time.Now()
	d := start(t, "127.0.0.1:0")
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the start took %v", took)
	}
	if d.Moved {
		t.Error("is said to be elsewhere")
	}
	statuses := watch(t, d)
	if len(statuses) != 3 {
		t.Fatalf("registered are %v", statuses)
	}
	for id, status := range statuses {
		if status != health.Passing {
			t.Errorf("%s is %v", id, status)
		}
	}
}

func watch(t *testing.T, d *Demo) map[string]health.Status {
	t.Helper()
	client, err := consul.New(consul.Config{Address: d.Address})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s, err := client.Source(consul.Query{Service: service}).Fetch(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	statuses := make(map[string]health.Status)
	for _, i := range s.Instances {
		statuses[i.ID] = i.Declared.Status
	}
	return statuses
}

// Where the usual port is taken, another is found and said aloud.
func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d := start(t, taken.Addr().String())
	if !d.Moved || d.Address == taken.Addr().String() {
		t.Errorf("is at %s, moved %v", d.Address, d.Moved)
	}
	c, problems := Config()
	if problems != nil {
		t.Fatal(problems)
	}
	var text strings.Builder
	d.Describe(&text, map[string]string{"web": "127.0.0.1:9101", "admin": "127.0.0.1:1"}, c)
	for _, want := range []string{d.Address, "was taken", "curl http://127.0.0.1:9101", "explain web -admin 127.0.0.1:1", "/metrics", "/demo/crash", "Ctrl-C"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the description lacks %q:\n%s", want, text.String())
		}
	}
	if _, err := Start(t.Context(), "203.0.113.1:1"); err == nil {
		t.Error("an address of another machine was taken")
	}
}

func TestBackendsDoAsTheyAreTold(t *testing.T) {
	d := start(t, "127.0.0.1:0")
	b := d.backends[0]
	url := "http://" + b.address
	if code, body := do(t, "GET", url); code != 200 || !strings.Contains(body, "hello from web-1") {
		t.Errorf("at first: %d %q", code, body)
	}
	tell := func(what string) {
		t.Helper()
		if code, body := do(t, "POST", url+"/demo/"+what); code != 200 {
			t.Errorf("%s: %d %q", what, code, body)
		}
	}
	tell("fail")
	if code, _ := do(t, "GET", url); code != 500 {
		t.Errorf("failing: %d", code)
	}
	if code, _ := do(t, "GET", url+"/health"); code != 500 {
		t.Errorf("failing: health %d", code)
	}
	for deadline := time.Now().Add(10 * time.Second); watch(t, d)["dev-node/web-1"] != health.Critical; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the catalog does not notice")
		}
	}
	tell("slow")
	begin := time.Now()
	if code, _ := do(t, "GET", url); code != 200 || time.Since(begin) < 500*time.Millisecond {
		t.Errorf("slow: %d after %v", code, time.Since(begin))
	}
	tell("ok")
	if code, _ := do(t, "GET", url+"/health"); code != 200 {
		t.Errorf("well: health %d", code)
	}
	if code, _ := do(t, "POST", url+"/demo/dance"); code != 404 {
		t.Errorf("an unknown order: %d", code)
	}
	if code, _ := do(t, "GET", url+"/demo/fail"); code == 200 {
		if code, _ := do(t, "GET", url+"/health"); code != 200 {
			t.Error("a GET changed something")
		}
	}
	_, _ = do(t, "POST", url+"/demo/crash")
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if code, text := do(t, "GET", url); code == 0 && strings.Contains(text, "refused") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not crash")
		}
	}
}

func TestStopWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, "127.0.0.1:0"); err == nil {
		t.Error("started though it was given up")
	}
}
