package consul

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/consul/api"
)

// What an entry said is remembered as long as it says it, and no longer.
func TestEntriesAreRemembered(t *testing.T) {
	var body atomic.Pointer[string]
	answer := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		body.Store(&text)
	}
	address := consulIs(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, *body.Load()) })
	s := clientOf(t, Config{Address: address}).Source(Query{Service: "web"}).(source)
	const one = `{"Node":{"Node":"%[1]s","Address":"10.0.0.1"},"Service":{"ID":"web","Port":%[2]d}}`
	fetch := func() string {
		t.Helper()
		snapshot, err := s.Fetch(t.Context(), 0)
		if err != nil {
			return err.Error()
		}
		text := ""
		for _, i := range snapshot.Instances {
			text += i.ID + "=" + i.Address + " "
		}
		return strings.TrimSpace(text)
	}
	kept := func(node string) (kept *reading) {
		for _, r := range s.memory.last {
			if r.instance.ID == node+"/web" {
				kept = r
			}
		}
		return kept
	}
	answer("["+one+","+one+"]", "b", 80)
	body.Store(new(strings.Replace(*body.Load(), `"b"`, `"a"`, 1)))
	if got := fetch(); got != "a/web=10.0.0.1:80" {
		t.Errorf("two at one address are %s", got)
	}
	before := kept("a")
	answer("["+strings.Replace(one, "10.0.0.1", "10.0.0.2", 1)+"]", "b", 80)
	body.Store(new("[" + fmt.Sprintf(one, "a", 80) + "," + (*body.Load())[1:]))
	if got := fetch(); got != "a/web=10.0.0.1:80 b/web=10.0.0.2:80" || kept("a") != before || before == nil {
		t.Errorf("then they are %s", got)
	}
	// An answer that breaks off is forgotten as a whole.
	broken := *body.Load()
	body.Store(new(broken[:len(broken)-1]))
	if got := fetch(); !strings.Contains(got, "EOF") || kept("a") != before {
		t.Errorf("broken: %s", got)
	}
	answer("["+one+"]", "a", 81)
	if got := fetch(); got != "a/web=10.0.0.1:81" || len(s.memory.last) != 1 {
		t.Errorf("in the end it is %s, and %d are remembered", got, len(s.memory.last))
	}
}

// However an answer is mutilated, it is taken as the library would take it.
func FuzzEntries(f *testing.F) {
	whole, err := json.Marshal([]*api.ServiceEntry{entry(), nil, entry(func(e *api.ServiceEntry) { e.Service.ID = "web-2" })})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(whole), string(whole[:len(whole)/2]), "[]", "null", "{}", `"[]"`, "", " [ ] x", "[[]]", `[{"Node":3}]`, "[null,null]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var all []*api.ServiceEntry
		theirs := json.NewDecoder(bytes.NewReader(raw)).Decode(&all)
		q, m := Query{Service: "web"}, newMemory()
		for range 2 { // read, and remembered
			e := &entries{query: q, memory: m}
			left, err := e.take(bytes.NewReader(raw))
			if (err == nil) != (theirs == nil) {
				t.Fatalf("%v, and to the library %v", err, theirs)
			}
			if err != nil {
				continue
			}
			if (left == "null") != (all == nil) || len(e.found) != len(all) {
				t.Fatalf("%d entries and %s, want %d", len(e.found), left, len(all))
			}
			if got, want := snapshotOf(e.found), snapshotFrom(all, q); !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v, want %+v", got, want)
			}
		}
	})
}
