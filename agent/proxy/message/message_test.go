package message

import (
	"strings"
	"testing"
)

func TestNameOfFindsEachInAnyCase(t *testing.T) {
	for n := Other + 1; n < names; n++ {
		for _, text := range []string{n.String(), strings.ToLower(n.String()), strings.ToUpper(n.String())} {
			if got := NameOf([]byte(text)); got != n {
				t.Errorf("%q: %d, want %d", text, got, n)
			}
		}
	}
	for _, text := range []string{"", "x", "Hos", "Hosts", "\u212aeep-Alive", "X-Forwarded-Foo", strings.Repeat("a", 100)} {
		if got := NameOf([]byte(text)); got != Other {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Values that are built in a header stay as they are while others are added,
// and a header that is used again takes no memory.
func TestHeaderKeepsValues(t *testing.T) {
	var h Header
	fill := func() {
		h.Reset()
		for _, v := range []string{"a", strings.Repeat("b", 300), "c"} {
			h.Add(Via, v)
			h.AddNamed("x-"+v[:1], v)
		}
		h.Set(Host, "here")
	}
	fill()
	var all []string
	for f := range h.All() {
		all = append(all, string(f.Name)+": "+string(f.Value))
	}
	want := "Via: a|x-a: a|Via: B|x-b: B|Via: c|x-c: c|Host: here"
	if got := strings.ReplaceAll(strings.Join(all, "|"), strings.Repeat("b", 300), "B"); got != want {
		t.Errorf("%s", got)
	}
	for range 5 {
		fill() // the room grows to what is needed
	}
	if n := testing.AllocsPerRun(100, fill); n > 3 { // "x-"+v
		t.Errorf("%v allocations", n)
	}
}

func TestHeaderDelAndTokens(t *testing.T) {
	var h Header
	h.AddNamed("connection", "keep-alive, \tX-One ,,")
	h.Add(Cookie, "a=1")
	h.AddNamed("CONNECTION", "UpGrade")
	if !h.HasToken(Connection, "upgrade") || !h.HasToken(Connection, "x-one") || h.HasToken(Connection, "") {
		t.Error("tokens are not found")
	}
	h.Del(Connection)
	if h.Len() != 1 || string(h.Get(Cookie)) != "a=1" || h.Has(Connection) {
		t.Error("not deleted")
	}
	h.SetNamed("COOKIE", "b")
	if h.Len() != 1 || string(h.GetNamed("cookie")) != "b" || h.At(0).Key != Cookie {
		t.Error("not set")
	}
}

func TestTarget(t *testing.T) {
	r := Request{Target: []byte("/a?b?c")}
	if string(r.Path()) != "/a" || string(r.Query()) != "b?c" {
		t.Errorf("%s %s", r.Path(), r.Query())
	}
	if r.Target = []byte("/a"); r.Query() != nil {
		t.Error("a query")
	}
}
