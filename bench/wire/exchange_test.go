package wire

import "testing"

func TestAsk(t *testing.T) {
	for _, a := range []Ask{{Size: 8}, {Size: 1024, Answer: 1 << 20}, {Size: 9, Answer: 5, Last: true}} {
		b := a.Bytes()
		got, ok := ParseAsk(b)
		if !ok || got != a || len(b) != a.Size {
			t.Errorf("%+v comes back as %+v, %v, in %d bytes", a, got, ok, len(b))
		}
		if _, ok := ParseAsk(b[:7]); ok {
			t.Error("seven bytes are an ask")
		}
	}
	if _, ok := ParseAsk(make([]byte, 8)); ok {
		t.Error("an ask of no bytes is one")
	}
}
