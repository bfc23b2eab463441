package proxy

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeys(t *testing.T) {
	r, _ := http.NewRequest("GET", "http://a/b/c?d=e", nil)
	r.RemoteAddr = "[2001:db8::1]:1234"
	r.Header = http.Header{"X-User": {"u1", "u2"}, "Cookie": {"session=s1; other=o"}}
	for hashOn, want := range map[string]string{
		"": "2001:db8::1", "client_ip": "2001:db8::1", "path": "/b/c", "header:x-user": "u1", "header:None": "", "cookie:session": "s1", "cookie:none": "",
	} {
		if got := keyOf(hashOn)(r); got != want {
			t.Errorf("hash_on %q gives %q, want %q", hashOn, got, want)
		}
	}
	r.RemoteAddr = "@" // a unix socket
	if got := keyOf("")(r); got != "" {
		t.Errorf("a unix socket gives %q", got)
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

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &failure{kind: FirstByteTimeout}, &failure{kind: IdleTimeout}
		start := time.Now()
		var bit *failure
		var at time.Duration
		dog := &watchdog{bite: func(f *failure) { bit, at = f, time.Since(start) }}
		defer dog.stop()
		dog.watch(first, 10*time.Second)
		time.Sleep(9 * time.Second)
		dog.watch(second, 5*time.Second) // until 14 s
		time.Sleep(4 * time.Second)
		dog.watch(second, 5*time.Second) // until 18 s
		time.Sleep(time.Second)
		dog.watch(second, time.Second) // sooner: until 15 s
		time.Sleep(time.Hour)
		synctest.Wait()
		if bit != second || at != 15*time.Second {
			t.Errorf("bit for %v at %v", bit, at)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		dog := &watchdog{bite: func(f *failure) { t.Errorf("bit for %v", f) }}
		dog.watch(phaseIdle, 0)
		time.Sleep(time.Hour)
		dog.watch(phaseIdle, time.Second)
		dog.watch(nil, 0)
		time.Sleep(time.Hour)
		dog.watch(phaseIdle, time.Second)
		dog.stop()
		dog.watch(phaseIdle, time.Second)
		time.Sleep(time.Hour)
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

func FuzzHeaders(f *testing.F) {
	f.Add("Connection", "close, x-hop", "X-Hop", "1")
	f.Add("Connection", "Upgrade,\t keep-alive ,,", "Upgrade", "websocket")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		h := http.Header{}
		h.Add(name1, value1)
		h.Add(name2, value2)
		before := h.Clone()
		out := endToEnd(h)
		for _, hop := range hopByHop {
			if _, ok := out[hop]; ok {
				t.Errorf("%s is passed on", hop)
			}
		}
		for _, kept := range keptAnyway {
			if _, ok := h[kept]; ok && !slices.Equal(out[kept], h[kept]) {
				t.Errorf("%s is lost", kept)
			}
		}
		upgrade(h)
		for name := range before {
			if !slices.Equal(before[name], h[name]) {
				t.Error("the request itself was changed")
			}
		}
		q := quoted(value1)
		if inner := q[1 : len(q)-1]; strings.ContainsAny(strings.NewReplacer(`\\`, "", `\"`, "").Replace(inner), "\"\\\r\n\x00") {
			t.Errorf("quoted(%q) = %s", value1, q)
		}
	})
}
