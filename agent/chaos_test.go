package agent

import (
	"context"
	"testing"
	"time"
)

const chaosRate = 500 // requests a second

// Four backends are restarted in turns, killed or gently: no GET fails, no POST
// is delivered twice, and of POSTs only those that were under way at a kill are
// lost, or were just sent to a connection that was about to end.
func TestF1RollingRestart(t *testing.T) {
	backends, blocks := mortals(t)
	a := run(t, parse(t, `
		upstream "web" {
			listen = "127.0.0.1:0"
			%s
		}`, blocks))
	l := startVolley(a.Addresses()["web"], chaosRate, "GET", "POST")
	time.Sleep(300 * time.Millisecond)
	restarts, underWay := inFull(40, 8), int64(0)
	for n := range restarts {
		b := backends[n%len(backends)]
		if n%2 == 0 {
			underWay += b.kill()
		} else {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_ = b.server.Shutdown(ctx)
			cancel()
		}
		time.Sleep(50 * time.Millisecond)
		before := b.seen()
		b.start(t)
		eventually(t, "it is back", func() bool { return b.seen() > before })
	}
	time.Sleep(300 * time.Millisecond)
	shots := l.end()
	gets, posts := failed(shots, "GET"), failed(shots, "POST")
	report(t, "failed", gets)
	report(t, "failed", posts)
	t.Logf("%d requests, %d restarts: %d GETs and %d POSTs failed; %d POSTs were under way at a kill", len(shots), restarts, len(gets), len(posts), underWay)
	if len(gets) > 0 || int64(len(posts)) > underWay+int64(restarts) || len(shots) < 100 {
		t.Error("that are too many")
	}
	noPostTwice(t, backends)
}

// An agent that is told to end under load answers what it has taken.
func TestF4Drain(t *testing.T) {
	for range inFull(20, 2) {
		backends, blocks := mortals(t)
		a := run(t, parse(t, `
			agent { drain_timeout = "5s" }
			upstream "web" {
				listen = "127.0.0.1:0"
				%s
			}`, blocks))
		l := startVolley(a.Addresses()["web"], chaosRate, "GET", "POST")
		time.Sleep(500 * time.Millisecond)
		begin := time.Now()
		if err := a.end(t); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 6*time.Second {
			t.Errorf("the drain took %v", took)
		}
		time.Sleep(50 * time.Millisecond)
		shots := l.end()
		lost, refused := 0, 0
		for _, s := range shots {
			switch {
			case s.err == nil:
			case !s.dialed:
				refused++
			default:
				lost++
				report(t, "lost", []shot{s})
			}
		}
		if lost > 0 || refused == 0 || len(shots) < 100 {
			t.Errorf("of %d requests %d were lost, %d refused", len(shots), lost, refused)
		}
		noPostTwice(t, backends)
	}
}

// One of four backends takes connections and requests, and answers nothing. The
// wait for it is bounded by what is configured for that.
func TestF7HungBackend(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		strict       bool
	}{
		{"defaults", ``, false},
		{"first_byte", `timeouts { first_byte = "250ms" }`, false},
		{"hedge", `retry {
			hedge {}
		}`, true},
		{"hedge, round robin", `strategy = "round_robin"
			retry {
				hedge {}
			}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.strict && inFull(1, 0) == 0 {
				t.Skip("of this nothing is promised; it is there to compare with")
			}
			backends, blocks := mortals(t)
			a := run(t, parse(t, `
				upstream "web" {
					listen = "127.0.0.1:0"
					%s
					%s
				}`, tt.config, blocks))
			l := startVolley(a.Addresses()["web"], chaosRate, "GET")
			calm, hung := 2, inFull(10, 2)
			if !tt.strict { // nothing is held against a time
				calm, hung = inFull(2, 1), inFull(10, 1)
			}
			start := time.Now()
			time.Sleep(time.Duration(calm) * time.Second)
			hangs := time.Now()
			end := backends[1].hang()
			time.Sleep(time.Second)
			learned, known := time.Now(), backends[1].met()
			time.Sleep(time.Duration(hung) * time.Second)
			over, late := time.Now(), backends[1].met()-known
			end()
			shots := l.end()
			warm := start.Add(time.Duration(calm) * time.Second / 2)
			base, met, after := quantile(shots, 0.99, warm, hangs), quantile(shots, 0.99, hangs, over), quantile(shots, 0.99, learned, over)
			worst := quantile(shots, 1, hangs, over)
			m := a.list()[0].meter
			t.Logf("p99 %v before, %v while it hangs, %v once learned (worst %v), when %d met it; %d hedges, %d won, %d retries, %d denied",
				base, met, after, worst, late, m.Hedges.Load(), m.HedgesWon.Load(), m.Retries.Load(), m.Denied.Load())
			if bad := failed(shots, "GET"); len(bad) > 0 {
				report(t, "failed", bad)
				t.Errorf("%d of %d failed", len(bad), len(shots))
			}
			// While it hangs 300 ms are promised, and once learned 5 ms over the
			// baseline. A machine that is shared has times of its own, which only
			// quiet ones can tell from ours; but if fewer than one in a hundred meet
			// it then, p99 is that of the others.
			if most := int(over.Sub(learned).Seconds()*chaosRate) / 100; tt.strict && (met > 300*time.Millisecond+base || worst > time.Second || late > most) {
				t.Error("that is too slow, or too many meet it once it is known")
			}
		})
	}
}
