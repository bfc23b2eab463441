package catalog

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// put calls the catalog of an in-package test, with success.
func put(t *testing.T, c *Catalog, path, body string) {
	t.Helper()
	if status, text := call(t, c, "PUT", path, body); status != 200 {
		t.Fatalf("PUT %s %s: %d %s", path, body, status, text)
	}
}

func call(t *testing.T, c *Catalog, method, path, body string) (status int, text string) {
	t.Helper()
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return rec.Code, rec.Body.String()
}
