package http2

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// coding is an encoder with a decoder of another make that follows it.
type coding struct {
	*encoder
	decoder *hpack.Decoder
	got     []hpack.HeaderField
}

func newCoding() *coding {
	c := &coding{encoder: newEncoder()}
	c.decoder = hpack.NewDecoder(maxTable, func(f hpack.HeaderField) { c.got = append(c.got, f) })
	return c
}

// pass sends a head through both and returns how many bytes it took.
func (c *coding) pass(t testing.TB, h *message.Header) int {
	t.Helper()
	b := c.trailer(nil, h)
	c.got = c.got[:0]
	if _, err := c.decoder.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := c.decoder.Close(); err != nil {
		t.Fatal(err)
	}
	if len(c.got) != h.Len() {
		t.Fatalf("%d fields of %d", len(c.got), h.Len())
	}
	for i, f := range c.got {
		w := h.At(i)
		if f.Name != strings.ToLower(string(w.Name)) || f.Value != string(w.Value) || f.Sensitive != secret(w.Key) {
			t.Fatalf("%v, want %s: %s", f, w.Name, w.Value)
		}
	}
	return len(b)
}

func TestEncoder(t *testing.T) {
	c := newCoding()
	var h message.Header
	sizes := func(n int) (sizes []int) {
		for range n {
			sizes = append(sizes, c.pass(t, &h))
		}
		return sizes
	}
	h.AddNamed("X-One", "some value")
	if s := sizes(3); s[0] != s[1] || s[2] != 1 {
		t.Errorf("%v: what repeats should be literal, inserted, and then an index", s)
	}
	h.Reset()
	h.Add(message.Authorization, "secret")
	if s := sizes(3); s[2] != s[0] {
		t.Errorf("%v: a secret went into the table", s)
	}
	h.Reset()
	h.AddNamed("x-long", strings.Repeat("v", 2000))
	if s := sizes(3); s[2] != s[0] {
		t.Errorf("%v: a long value went into the table", s)
	}
	for i := range 1000 { // what never repeats pushes nothing out
		h.Reset()
		h.AddNamed("x-id", fmt.Sprint(i))
		c.pass(t, &h)
	}
	h.Reset()
	h.AddNamed("X-One", "some value")
	if s := sizes(1); s[0] != 1 {
		t.Errorf("%v bytes for what was in the table", s)
	}
	c.resize(0) // the peer wants none, and then some again
	c.resize(1000)
	if s := sizes(3); s[0] != 4+s[1] || s[2] != 1 {
		t.Errorf("%v after another size", s)
	}
	var room []byte
	if n := testing.AllocsPerRun(100, func() { room = c.trailer(room[:0], &h) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever fields and sizes there are, a decoder reads what was written.
func FuzzEncoder(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, uint16(200))
	}
	f.Fuzz(func(t *testing.T, seed uint64, heads uint16) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := newCoding()
		var h message.Header
		for range heads % 500 {
			if random.IntN(20) == 0 {
				c.resize(uint32(random.IntN(6000)))
			}
			h.Reset()
			for range random.IntN(20) {
				name := fmt.Sprintf("X-%d", random.IntN(20))
				if n := message.Name(1 + random.IntN(30)); random.IntN(2) == 0 && !connected(n) && n != message.TE {
					name = n.String()
				}
				h.AddNamed(name, strings.Repeat(fmt.Sprint(random.IntN(50)), random.IntN(60)))
			}
			c.pass(t, &h)
		}
	})
}
