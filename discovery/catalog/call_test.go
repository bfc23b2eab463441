package catalog_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// ask calls a catalog without a network, so that it works in a bubble too.
func ask(ctx context.Context, c *catalog.Catalog, method, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body)))
	return w
}

// must is ask for calls that succeed.
func must(t *testing.T, c *catalog.Catalog, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := ask(t.Context(), c, method, path, body)
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
	return w
}

// indexOf reads the index of an answer.
func indexOf(t *testing.T, w *httptest.ResponseRecorder) uint64 {
	t.Helper()
	index, err := strconv.ParseUint(w.Header().Get("X-Consul-Index"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// instances reads the answer of a health query.
func instances(t *testing.T, w *httptest.ResponseRecorder) (list []struct {
	Node    struct{ Node string }
	Service struct{ ID string }
	Checks  []struct{ CheckID, Status, Output string }
}) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return list
}

// run runs a catalog and returns the function that ends it and waits.
func run(t *testing.T, c *catalog.Catalog) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}
