package catalog_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A comparison holds answers of a catalog against those of a Consul. Values that
// differ from run to run must still correspond: whenever Consul shows the same
// index or UUID again, so does the catalog.
type comparison struct {
	t    *testing.T
	same map[string]string // Consul's → ours

	label    string   // of the call at hand
	skip     []string // prefixes of paths into the body not to compare
	anyOrder bool     // of lists
}

func newComparison(t *testing.T) comparison { return comparison{t: t, same: map[string]string{}} }

// opaque are values that only their owner can make: hashes and times.
var opaque = []string{"Hash", "ContentHash", "CreateTime", "x-consul-contenthash"}

var (
	indexParam = regexp.MustCompile(`\bindex=(\d+)`)
	uuid       = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// translate puts our indexes and UUIDs for Consul's into a path.
func (c *comparison) translate(path string) string {
	path = indexParam.ReplaceAllStringFunc(path, func(param string) string {
		theirs := strings.TrimPrefix(param, "index=")
		return "index=" + cmp.Or(c.same[theirs], theirs)
	})
	return uuid.ReplaceAllStringFunc(path, func(id string) string { return cmp.Or(c.same[id], id) })
}

// compare reads an answer of ours and returns its body.
func (c *comparison) compare(want recordedAnswer, got *http.Response) any {
	body, err := io.ReadAll(got.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if got.StatusCode != want.Status {
		c.errorf("status %d, Consul %d", got.StatusCode, want.Status)
	}
	c.compareHeaders(want.Headers, got.Header)
	var value any = string(body)
	if want.BodyKind == "json" {
		value = nil
		if err := json.Unmarshal(body, &value); err != nil {
			c.errorf("body %q: %v", body, err)
			return nil
		}
	}
	c.compareValue("", want.Body, value)
	return value
}

func (c *comparison) compareHeaders(want map[string]string, got http.Header) {
	for name, value := range want {
		switch {
		case name == "x-consul-index":
			c.correspond(name, value, got.Get(name))
		case !slices.Contains(opaque, name) && got.Get(name) != value:
			c.errorf("header %s: %q, Consul %q", name, got.Get(name), value)
		case len(got.Values(name)) == 0:
			c.errorf("header %s is missing", name)
		}
	}
	for name := range got {
		if _, ok := want[strings.ToLower(name)]; !ok && name != "Content-Length" && name != "Date" {
			c.errorf("header %s: %q, Consul sends none", name, got.Get(name))
		}
	}
}

func (c *comparison) compareValue(path string, want, got any) {
	for _, prefix := range c.skip {
		if strings.HasPrefix(path, prefix) {
			return
		}
	}
	key := path[strings.LastIndexByte(path, '.')+1:]
	if slices.Contains(opaque, key) {
		return
	}
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		if len(w) != len(g) {
			c.errorf("%s: keys %q, Consul %q", path, keys(g), keys(w))
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				c.errorf("%s.%s is missing", path, k)
				continue
			}
			c.compareValue(path+"."+k, w[k], g[k])
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			c.errorf("%s: %s, Consul %s", path, text(got), text(want))
			return
		}
		if c.anyOrder {
			w, g = ordered(w), ordered(g)
		}
		for i := range w {
			c.compareValue(fmt.Sprintf("%s[%d]", path, i), w[i], g[i])
		}
	case float64:
		if key == "CreateIndex" || key == "ModifyIndex" {
			c.correspond(path, text(w), text(got))
		} else if want != got {
			c.errorf("%s: %s, Consul %s", path, text(got), text(want))
		}
	case string:
		g, ok := got.(string)
		ours := uuid.FindAllString(g, -1)
		for i, id := range uuid.FindAllString(w, -1) {
			if i < len(ours) {
				c.correspond(path, id, ours[i])
			}
		}
		if !ok || uuid.ReplaceAllString(w, "ID") != uuid.ReplaceAllString(g, "ID") {
			c.errorf("%s: %q, Consul %q", path, got, w)
		}
	default:
		if want != got {
			c.errorf("%s: %s, Consul %s", path, text(got), text(want))
		}
	}
}

// correspond checks that a value that stands for a recorded one always does.
func (c *comparison) correspond(where, recorded, ours string) {
	if known, ok := c.same[recorded]; ok && known != ours {
		c.errorf("%s: %s for Consul's %s, which was %s before", where, ours, recorded, known)
	}
	c.same[recorded] = ours
}

func (c *comparison) errorf(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("%s: %s", c.label, fmt.Sprintf(format, args...))
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func keys(m map[string]any) []string {
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// ordered sorts a list by what identifies its values: the ID of a service.
func ordered(list []any) []any {
	identity := func(v any) []byte {
		if m, ok := v.(map[string]any); ok {
			if s, ok := m["Service"].(map[string]any); ok {
				v = s["ID"]
			}
		}
		return []byte(text(v))
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b any) int { return bytes.Compare(identity(a), identity(b)) })
	return list
}
