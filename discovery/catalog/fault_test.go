package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

const webPath = "/v1/health/service/web"

// fetch makes a request over the network and reads all of the answer.
func fetch(t *testing.T, method, url string) (resp *http.Response, body string, readErr error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err = http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, readErr := io.ReadAll(resp.Body)
	return resp, string(data), readErr
}

func TestFaults(t *testing.T) {
	tests := []struct {
		kind    catalog.FaultKind
		status  int
		body    string // "" means the catalog's own answer
		headers map[string]string
	}{
		{catalog.NoLeader, 500, "No cluster leader", nil},
		{catalog.Forbidden, 403, "Permission denied", nil},
		{catalog.TooManyRequests, 429, "Your IP is issuing too many concurrent connections, please rate limit your calls\n", nil},
		{catalog.Unavailable, 503, "rate limit exceeded, try again later or against a different server", nil},
		{catalog.Null, 200, "null", nil},
		{catalog.Empty, 200, "[]", map[string]string{"X-Consul-Index": "1", "X-Consul-Knownleader": "false", "X-Consul-Lastcontact": "0"}},
		{catalog.ACLEmpty, 200, "[]", map[string]string{"X-Consul-Results-Filtered-By-Acls": "true", "X-Consul-Knownleader": "true"}},
		{catalog.IndexFalls, 200, "", map[string]string{"X-Consul-Index": "6"}},
		{catalog.IndexZero, 200, "", map[string]string{"X-Consul-Index": "0"}},
		{catalog.IndexGarbage, 200, "", map[string]string{"X-Consul-Index": "not-a-number"}},
		{catalog.IndexMissing, 200, "", map[string]string{"X-Consul-Index": "", "X-Consul-Lastcontact": "0"}},
		{catalog.NoLastContact, 200, "", map[string]string{"X-Consul-Lastcontact": "", "X-Consul-Index": "12"}},
		{catalog.Slow, 200, "", map[string]string{"X-Consul-Index": "12"}},
	}
	c, url := serve(t, catalog.Options{})
	must(t, c, "PUT", "/v1/agent/service/register", `{"Name": "web", "Port": 80}`)
	_, healthy, _ := fetch(t, "GET", url+webPath)
	for _, test := range tests {
		clear, err := c.Faults().Set(catalog.Fault{Kind: test.kind, Path: "/v1/health/"})
		if err != nil {
			t.Fatal(err)
		}
		resp, body, err := fetch(t, "GET", url+webPath)
		want := test.body
		if want == "" {
			want = healthy
		}
		if err != nil || resp.StatusCode != test.status || body != want {
			t.Errorf("%s: %d %q, %v", test.kind, resp.StatusCode, body, err)
		}
		if resp.Close != (test.kind == catalog.TooManyRequests) {
			t.Errorf("%s: connection closed: %t", test.kind, resp.Close)
		}
		for name, value := range test.headers {
			if got := resp.Header.Get(name); got != value {
				t.Errorf("%s: header %s %q, want %q", test.kind, name, got, value)
			}
		}
		if resp, _, err := fetch(t, "GET", url+"/v1/catalog/services"); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: another path: %d, %v", test.kind, resp.StatusCode, err)
		}
		clear()
		if resp, body, _ := fetch(t, "GET", url+webPath); resp.StatusCode != 200 || body != healthy {
			t.Errorf("%s: still there after it was cleared: %d %s", test.kind, resp.StatusCode, body)
		}
	}
}

func TestTruncatedAnswer(t *testing.T) {
	c, url := serve(t, catalog.Options{})
	if _, err := c.Faults().Set(catalog.Fault{Kind: catalog.Truncated}); err != nil {
		t.Fatal(err)
	}
	_, body, err := fetch(t, "GET", url+"/v1/health/service/consul")
	if !errors.Is(err, io.ErrUnexpectedEOF) || body == "" {
		t.Errorf("%q, %v; want a part of the body and an unexpected EOF", body, err)
	}
}

func TestHangEndsWithItsRequestOrRun(t *testing.T) {
	for _, which := range []string{"request", "run"} {
		synctest.Test(t, func(t *testing.T) {
			c := catalog.New(catalog.Options{})
			end := run(t, c)
			if _, err := c.Faults().Set(catalog.Fault{Kind: catalog.Hang}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			b := block(ctx, c, webPath)
			time.Sleep(time.Hour)
			if b.done() {
				t.Error("a hanging request was answered")
			}
			if which == "request" {
				cancel()
				<-b.answered
			}
			end()
			<-b.answered
			cancel()
		})
	}
}

func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		if _, err := c.Faults().Set(catalog.Fault{Kind: catalog.Slow, Delay: 3 * time.Second}); err != nil {
			t.Fatal(err)
		}
		b := block(t.Context(), c, webPath)
		if <-b.answered; b.took != 3*time.Second || b.answer.Code != 200 {
			t.Errorf("%d after %s", b.answer.Code, b.took)
		}
	})
}

func TestFaultCountsDown(t *testing.T) {
	c := catalog.New(catalog.Options{})
	set := func(f catalog.Fault) {
		t.Helper()
		if _, err := c.Faults().Set(f); err != nil {
			t.Fatal(err)
		}
	}
	set(catalog.Fault{Kind: catalog.NoLeader, Path: webPath, Count: 2})
	set(catalog.Fault{Kind: catalog.Forbidden, Path: "/v1/health", Count: 1})
	var got []int
	for range 4 {
		got = append(got, ask(t.Context(), c, "GET", webPath, "").Code)
	}
	if want := "[500 500 403 200]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	set(catalog.Fault{Kind: catalog.NoLeader})
	if active := c.Faults().Active(); len(active) != 1 || active[0].Kind != catalog.NoLeader {
		t.Errorf("%+v", active)
	}
	c.Faults().Clear()
	must(t, c, "GET", webPath, "")
	for _, bad := range []catalog.Fault{{Kind: "nonsense"}, {}, {Kind: catalog.Slow, Delay: -1}, {Kind: catalog.Null, Count: -1}} {
		if _, err := c.Faults().Set(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestStaleViewsAlternate(t *testing.T) {
	c := catalog.New(catalog.Options{})
	if _, err := c.Faults().Set(catalog.Fault{Kind: catalog.StaleViews, Path: webPath}); err != nil {
		t.Fatal(err)
	}
	must(t, c, "GET", webPath, "") // from here on one server is stuck
	must(t, c, "PUT", "/v1/agent/service/register", `{"Name": "web"}`)
	var seen []string
	for range 4 {
		w := must(t, c, "GET", webPath+"?index=1", "")
		seen = append(seen, fmt.Sprintf("%d@%d", len(instances(t, w)), indexOf(t, w)))
	}
	if want := "[0@11 1@12 0@11 1@12]"; fmt.Sprint(seen) != want {
		t.Errorf("%v, want %s", seen, want)
	}
}

func TestFaultControl(t *testing.T) {
	c := catalog.New(catalog.Options{FaultControl: true})
	const path = "/v1/dev/fault"
	must(t, c, "PUT", path+"?kind=no-leader&path="+webPath+"&count=2", "")
	must(t, c, "PUT", path+"?kind=slow&delay=1ms", "")
	if w := ask(t.Context(), c, "GET", webPath, ""); w.Code != 500 {
		t.Errorf("%d", w.Code)
	}
	if list := must(t, c, "GET", path, "").Body.String(); !strings.Contains(list, `"Count": 1`) || !strings.Contains(list, `"slow"`) {
		t.Errorf("%s", list)
	}
	must(t, c, "DELETE", path, "")
	must(t, c, "GET", webPath, "")
	for _, query := range []string{"?kind=nonsense", "", "?kind=slow&delay=soon", "?kind=null&count=x"} {
		if w := ask(t.Context(), c, "PUT", path+query, ""); w.Code != 400 || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := ask(t.Context(), catalog.New(catalog.Options{}), "GET", path, ""); w.Code != 404 {
		t.Errorf("without the option: %d", w.Code)
	}
}
