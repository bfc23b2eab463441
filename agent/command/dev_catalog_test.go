package command

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"
)

func put(t *testing.T, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// What is printed works, a watch sees what is registered, and the end is clean
// though somebody still watches.
func TestDevCatalog(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stdout, stderr := newLines(), newLines()
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, Env{Stdout: stdout, Stderr: stderr}, []string{"dev-catalog", "-listen", "127.0.0.1:0", "-acl", "deny", "-faults"})
	}()
	token := stdout.wait(t, `export CONSUL_HTTP_TOKEN=([A-Z0-9]+)\n`)
	register := stdout.wait(t, `-X PUT -d '[^']+' (http://[^ \n]+/v1/agent/service/register)`)
	see := stdout.wait(t, `-i (http://[^ \n]+/v1/health/service/web)`)
	fault := stdout.wait(t, `curl -X PUT '(http://[^']+kind=no-leader)'`)
	base := strings.TrimSuffix(register, "/v1/agent/service/register")

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	do := func(req *http.Request) (int, string, http.Header) {
		t.Helper()
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return 0, "", nil
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), resp.Header
	}
	ask := func(url string) (int, string, http.Header) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		req.Header.Set("X-Consul-Token", token)
		return do(req)
	}
	const definition = `{"Name": "web", "Port": 8081}`
	if code, body, _ := do(put(t, register, definition)); code != 403 {
		t.Errorf("without the token: %d %s", code, body)
	}
	_, _, header := ask(see)
	woken := make(chan string, 1)
	go func() {
		_, body, _ := ask(see + "?wait=1m&index=" + header.Get("X-Consul-Index"))
		woken <- body
	}()
	req := put(t, register, definition)
	req.Header.Set("X-Consul-Token", token)
	if code, body, _ := do(req); code != 200 {
		t.Errorf("with the token: %d %s", code, body)
	}
	if body := <-woken; !strings.Contains(body, "8081") {
		t.Errorf("the watch saw %s", body)
	}
	stderr.wait(t, `(PUT: path=/v1/agent/service/register status=200)`)

	if code, _, _ := do(put(t, fault, "")); code != 200 {
		t.Errorf("the fault: %d", code)
	}
	if code, body, _ := ask(see); code != 500 || body != "No cluster leader" {
		t.Errorf("with the fault: %d %s", code, body)
	}
	clear, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, base+"/v1/dev/fault", nil)
	do(clear)
	_, _, header = ask(see)
	asked := make(chan struct{})
	go func() {
		trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(asked) }}
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, see+"?wait=1m&index="+header.Get("X-Consul-Index"), nil)
		req.Header.Set("X-Consul-Token", token)
		if resp, err := client.Do(req); err == nil { // how this one ends is no matter
			resp.Body.Close()
		}
		woken <- ""
	}()
	<-asked
	stop()
	select {
	case code := <-ended:
		if code != 0 {
			t.Errorf("exit %d", code)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("it does not end")
	}
	<-woken
}

// A port that is taken is named, and so is what to do.
func TestDevCatalogOnATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	o := call(t, nil, "dev-catalog", "-listen", address)
	if o.code != 1 || !strings.Contains(o.stderr, "cannot listen on "+address) || !strings.Contains(o.stderr, "-listen takes another") || o.stdout != "" {
		t.Errorf("%+v", o)
	}
}

// A secret that was given is not shown, and without -faults there are none.
func TestDevCatalogKeepsWhatItWasGiven(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stdout, stderr := newLines(), newLines()
	ended := make(chan int, 1)
	go func() {
		ended <- Run(ctx, Env{Stdout: stdout, Stderr: stderr}, []string{"dev-catalog", "-listen", "127.0.0.1:0", "-acl", "deny", "-token", "5ecret"})
	}()
	base := stdout.wait(t, `answers as Consul does at (http://[^ ]+:\d+)`)
	stdout.wait(t, `(Ctrl-C ends it)`)
	if text := stdout.all.String(); strings.Contains(text, "5ecret") || strings.Contains(text, "fault") {
		t.Errorf("it shows\n%s", text)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	if resp, err := client.Do(put(t, base+"/v1/dev/fault?kind=no-leader", "")); err != nil || resp.StatusCode != 404 {
		t.Errorf("the switches: %v, %v", resp, err)
	}
	req := put(t, base+"/v1/agent/service/register", `{"Name": "web"}`)
	req.Header.Set("X-Consul-Token", "5ecret")
	if resp, err := client.Do(req); err != nil || resp.StatusCode != 200 {
		t.Errorf("the given token: %v, %v", resp, err)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit %d", code)
	}
}
