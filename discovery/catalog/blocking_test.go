package catalog_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// blocked is a query under way in a bubble.
type blocked struct {
	answer   *httptest.ResponseRecorder
	took     time.Duration
	answered chan struct{}
}

func (b *blocked) done() bool {
	select {
	case <-b.answered:
		return true
	default:
		return false
	}
}

func block(ctx context.Context, c *catalog.Catalog, path string) *blocked {
	b := &blocked{answered: make(chan struct{})}
	go func() {
		began := time.Now()
		b.answer = ask(ctx, c, "GET", path, "")
		b.took = time.Since(began)
		close(b.answered)
	}()
	synctest.Wait()
	return b
}

func TestWait(t *testing.T) {
	const minute = time.Minute
	tests := []struct {
		query           string
		atLeast, atMost time.Duration
	}{
		{"index=99&wait=16s", 16 * time.Second, 16 * time.Second},             // a stream is punctual
		{"index=99&wait=16s&near=_agent", 16 * time.Second, 17 * time.Second}, // a query up to 1/16 late
		{"index=99", 5 * minute, 5 * minute},
		{"index=99&wait=0s", 5 * minute, 5 * minute},
		{"index=99&wait=1h", 10 * minute, 10 * minute},
		{"index=99&wait=1h&near=_agent", 10 * minute, 10*minute + 10*minute/16},
		{"index=0&wait=16s", 0, 0},
		{"wait=16s", 0, 0},
		{"index=1&wait=16s", 0, 0},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			c := catalog.New(catalog.Options{})
			b := block(t.Context(), c, "/v1/health/service/web?"+test.query)
			time.Sleep(test.atMost)
			synctest.Wait()
			if !b.done() || b.took < test.atLeast {
				t.Errorf("%s: done %t after %s, want %s to %s", test.query, b.done(), b.took, test.atLeast, test.atMost)
			}
		})
	}
}

func TestWhoWakes(t *testing.T) {
	const register, health = "/v1/agent/service/register", "/v1/health/service/"
	tests := []struct {
		name, watch, write, body string
		wakes                    bool
	}{
		{"its own registration", health + "web", register, `{"ID": "w2", "Name": "web"}`, true},
		{"another service", health + "web", register, `{"Name": "other"}`, false},
		{"its own check", health + "web", "/v1/agent/check/pass/c", "", true},
		{"a check of the node", health + "web", "/v1/agent/maintenance?enable=true", "", true},
		{"an absent one registers", health + "none", register, `{"Name": "none"}`, true},
		{"absent, a stream, another ends", health + "none", "/v1/agent/service/deregister/web", "", false},
		{"absent, a query, another ends", health + "none?near=_agent", "/v1/agent/service/deregister/web", "", true},
		{"absent, another registers", health + "none?near=_agent", register, `{"Name": "other"}`, false},
		{"the last instance goes", health + "web", "/v1/agent/service/deregister/web", "", true},
		{"what a filter hides", health + "web?tag=none", "/v1/agent/check/pass/c", "", true},
		{"services of the catalog", "/v1/catalog/services", register, `{"Name": "other"}`, true},
		{"services, a check", "/v1/catalog/services", "/v1/agent/check/pass/c", "", false},
		{"nodes, a new one", "/v1/catalog/nodes", "/v1/catalog/register", `{"Node": "x", "Address": "127.0.0.2"}`, true},
		{"nodes, a service", "/v1/catalog/nodes", register, `{"Name": "other"}`, false},
		{"a node's services", "/v1/catalog/node/dev-node", register, `{"Name": "other"}`, true},
		{"an absent node", "/v1/catalog/node/x", "/v1/catalog/register", `{"Node": "x", "Address": "127.0.0.2"}`, true},
		{"checks by state", "/v1/health/state/critical", "/v1/agent/check/pass/c", "", true},
		{"mesh, its sidecar", "/v1/health/connect/web", register, `{"Name": "p", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "web"}}`, true},
		{"nothing changes", health + "web", register, `{"Name": "web", "Check": {"CheckID": "c", "TTL": "1m"}}`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := catalog.New(catalog.Options{})
				must(t, c, "PUT", register, `{"Name": "first"}`)
				must(t, c, "PUT", "/v1/agent/service/deregister/first", "")
				must(t, c, "PUT", register, `{"Name": "web", "Check": {"CheckID": "c", "TTL": "1m"}}`)
				index := indexOf(t, must(t, c, "GET", test.watch, ""))
				glue := "?"
				if strings.Contains(test.watch, "?") {
					glue = "&"
				}
				b := block(t.Context(), c, fmt.Sprintf("%s%sindex=%d&wait=1m", test.watch, glue, index))
				if b.done() {
					t.Fatal("did not block")
				}
				must(t, c, "PUT", test.write, test.body)
				synctest.Wait()
				if b.done() != test.wakes {
					t.Errorf("woken: %t, want %t", b.done(), test.wakes)
				}
				if b.done() && indexOf(t, b.answer) <= index {
					t.Errorf("woken with index %d, had %d", indexOf(t, b.answer), index)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if !b.done() || b.answer.Code != http.StatusOK {
					t.Errorf("after the wait: done %t, %v", b.done(), b.answer)
				}
			})
		})
	}
}

func TestRestoreWakesEveryoneWithLowerIndexes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		for i := range 5 {
			must(t, c, "PUT", "/v1/agent/service/register", fmt.Sprintf(`{"ID": "w%d", "Name": "web"}`, i))
		}
		index := indexOf(t, must(t, c, "GET", "/v1/health/service/web", ""))
		var watches []*blocked
		for _, path := range readers {
			watches = append(watches, block(t.Context(), c, fmt.Sprintf("%s?index=%d", path, index)))
		}
		c.Restore()
		synctest.Wait()
		for _, b := range watches {
			if !b.done() || b.answer.Code != http.StatusOK || indexOf(t, b.answer) >= index {
				t.Errorf("done %t, %v; index was %d", b.done(), b.answer, index)
			}
		}
		if got := instances(t, must(t, c, "GET", "/v1/health/service/web", "")); len(got) != 5 {
			t.Errorf("%d instances after the restore, want 5", len(got))
		}
	})
}

func TestRunEndsBlockedQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		end := run(t, c)
		b := block(t.Context(), c, "/v1/health/service/web?index=99")
		hung := block(t.Context(), c, "/v1/health/service/web?index=1")
		if b.done() || !hung.done() {
			t.Fatalf("future index done %t, old index done %t", b.done(), hung.done())
		}
		end()
		synctest.Wait()
		if !b.done() || b.answer.Code != http.StatusInternalServerError {
			t.Errorf("done %t, %v", b.done(), b.answer)
		}
		end = run(t, c) // and it can start again
		synctest.Wait()
		b = block(t.Context(), c, "/v1/health/service/web?index=99&wait=1s")
		<-b.answered
		if !b.done() || b.answer.Code != http.StatusOK {
			t.Errorf("second Run: done %t, %v", b.done(), b.answer)
		}
		if err := c.Run(t.Context()); err == nil {
			t.Error("a Run beside another did not fail")
		}
		end()
	})
}

// A stream whose token is unknown or vanishes, as a Consul 1.21.4 treats it.
func TestStreamWithoutToken(t *testing.T) {
	const lost = "bbbbbbbb-0000-0000-0000-000000000000"
	for _, test := range []struct {
		query, body string
		status      int
		took        time.Duration
	}{
		{"index=1&wait=1s", "[]", http.StatusOK, time.Second},
		{"index=1&wait=1m", "ACL not found", http.StatusForbidden, 2 * time.Second},
		{"index=1&wait=1s&near=_agent", "ACL not found", http.StatusForbidden, 0},
		{"", "ACL not found", http.StatusForbidden, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := catalog.New(catalog.Options{ACL: &catalog.ACL{InitialManagement: management}})
			b := block(t.Context(), c, "/v1/health/service/web?token="+lost+"&"+test.query)
			<-b.answered
			if b.answer.Code != test.status || b.answer.Body.String() != test.body || b.took != test.took {
				t.Errorf("%s: %d %s after %s", test.query, b.answer.Code, b.answer.Body, b.took)
			}
		})
	}
}

func TestStreamEndsWithItsToken(t *testing.T) {
	const id = "cccccccc-0000-0000-0000-000000000000"
	for query, wakes := range map[string]bool{"": true, "&near=_agent": false} {
		synctest.Test(t, func(t *testing.T) {
			c := catalog.New(catalog.Options{ACL: &catalog.ACL{InitialManagement: management}})
			must(t, c, "PUT", "/v1/acl/token?token="+management, `{"AccessorID": "`+id+`", "SecretID": "`+id+`"}`)
			b := block(t.Context(), c, webPath+"?index=99&wait=1m&token="+id+query)
			must(t, c, "DELETE", "/v1/acl/token/"+id+"?token="+management, "")
			synctest.Wait()
			if b.done() != wakes || wakes && b.answer.Code != http.StatusForbidden {
				t.Errorf("%q: done %t, %v", query, b.done(), b.answer)
			}
			<-b.answered
		})
	}
}

func TestCancelledQueriesLeaveNothing(t *testing.T) {
	c := catalog.New(catalog.Options{})
	entered := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		c.ServeHTTP(w, r)
	}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{}}
	round := func(n int) {
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		for range n {
			ended.Go(func() {
				r, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/health/service/web?index=99&wait=5m", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if resp, err := client.Do(r); err == nil {
					t.Error("a query with an index from the future was answered")
					resp.Body.Close()
				}
			})
		}
		for range n {
			<-entered
		}
		cancel()
		ended.Wait()
		client.CloseIdleConnections()
	}
	round(1)
	before := runtime.NumGoroutine()
	for range 10 {
		round(100)
	}
	until(t, "the goroutines of 1000 queries are gone", func() bool { return runtime.NumGoroutine() <= before })
}
