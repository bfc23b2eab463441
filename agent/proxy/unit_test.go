package proxy

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

func TestKeys(t *testing.T) {
	r := &message.Request{Target: []byte("/b/c?d=e"), Authority: []byte("a")}
	for _, f := range []string{"x-user: u1", "X-User: u2", "Cookie: session=s1; other=o"} {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.AddNamed(name, value)
	}
	for hashOn, want := range map[string]string{
		"": "2001:db8::1", "client_ip": "2001:db8::1", "path": "/b/c", "header:X-User": "u1", "header:None": "", "header:Host": "a", "cookie:session": "s1", "cookie:none": "",
	} {
		if got := keyOf(hashOn)(r, "2001:db8::1"); got != want {
			t.Errorf("hash_on %q gives %q, want %q", hashOn, got, want)
		}
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := func(b *budget) (n int) {
			for b.withdraw() {
				n++
			}
			return n
		}
		b := newBudget(Retry{BudgetPercent: 20, BudgetPerSecond: 10})
		if n := taken(b); n != 10 {
			t.Errorf("at first %d, want a second's worth", n)
		}
		time.Sleep(500 * time.Millisecond)
		if n := taken(b); n != 5 {
			t.Errorf("after half a second %d", n)
		}
		for range 100 {
			b.deposit()
		}
		if n := taken(b); n != 20 {
			t.Errorf("after 100 requests %d", n)
		}
		time.Sleep(time.Hour)
		for range 100000 {
			b.deposit()
		}
		if n := taken(b); n != 100 {
			t.Errorf("after a quiet hour %d, want ten seconds' worth", n)
		}
	})
}

func TestHistogram(t *testing.T) {
	for d := time.Duration(1); d < 2*time.Hour; d = d*9/8 + 1 {
		b := bucketOf(d)
		if up := upTo(b); up < d.Truncate(time.Microsecond) || d > 8*time.Microsecond && up > d+d/4 {
			t.Fatalf("%v is in bucket %d, up to %v", d, b, up)
		}
		if b > 0 && upTo(b-1) > d+time.Microsecond {
			t.Fatalf("%v is in bucket %d, but fits in the one before, up to %v", d, b, upTo(b-1))
		}
	}
	var h Histogram
	if q := h.Load().Quantile(0.5); q != 0 {
		t.Errorf("an empty one has the median %v", q)
	}
	for i := range 1000 {
		h.Add(time.Duration(i+1) * time.Millisecond)
	}
	before := h.Load()
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		if got := before.Quantile(q); got < want || got > want*9/8+time.Millisecond {
			t.Errorf("quantile %v is %v, want about %v", q, got, want)
		}
	}
	h.Add(time.Hour)
	if got := h.Load().Sub(before).Quantile(0.5); got < time.Hour {
		t.Errorf("of what came since, the median is %v", got)
	}
	h.Add(-1)
	h.Add(1 << 62)
}

func TestKindsAreComplete(t *testing.T) {
	if len(Kinds()) != len(kinds) {
		t.Errorf("%d kinds are listed, %d described", len(Kinds()), len(kinds))
	}
	m := new(Meter)
	for _, k := range Kinds() {
		if d, ok := kinds[k]; !ok || d.status < 400 || d.text == "" || d.token == "" || d.grpc == 0 {
			t.Errorf("%s is described as %+v", k, d)
		}
		m.fail(k)
		if f := (&failure{kind: k, err: errors.New("cause")}); f.Error() != string(k)+": cause" {
			t.Errorf("as an error: %v", f)
		}
	}
	if got := m.Failures(); len(got) != len(kinds) {
		t.Errorf("counted %v", got)
	}
}

func FuzzQuoted(f *testing.F) {
	f.Add("a \"b\" \\c\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		q := quoted(text)
		if inner := q[1 : len(q)-1]; strings.ContainsAny(strings.NewReplacer(`\\`, "", `\"`, "").Replace(inner), "\"\\\r\n\x00") {
			t.Errorf("quoted(%q) = %s", text, q)
		}
	})
}
