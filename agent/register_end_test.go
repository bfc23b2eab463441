package agent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// A TTL check is fed by what the agent finds when it connects to the app, and a
// report that finds nothing registers again.
func TestRegistrarReports(t *testing.T) {
	registering(t, func(t *testing.T, r *registrar, f *fakeRegistry, _ *logBuffer) {
		app := new(fakeProber)
		g := f.goal("a", 1)
		g.beat = &beat{prober: app, target: health.Target{Address: "app:1"}, interval: 10 * time.Second, timeout: time.Second}
		r.aim(g)
		synctest.Wait()
		is(t, "at once", f.reported(), []string{"true connected to app:1"})
		app.set(errors.New("refused"), false)
		f.took()
		time.Sleep(55 * time.Second)
		calls, times := f.took()
		is(t, "calls", slices.Compact(calls), []string{"look a"})
		for _, gap := range gaps(times) {
			if gap > 10*time.Second || gap < 9*time.Second {
				t.Errorf("a report after %v", gap)
			}
		}
		reports := f.reported()
		if len(reports) < 5 || len(reports) > 6 {
			t.Errorf("%d reports in 55 s", len(reports))
		}
		is(t, "the app is down", slices.Compact(reports), []string{"false refused"})

		app.set(nil, true) // it hangs
		time.Sleep(30 * time.Second)
		is(t, "the app hangs", slices.Compact(f.reported()), []string{"false context deadline exceeded"})

		app.set(nil, false)
		f.set(func() { clear(f.has) })
		time.Sleep(12 * time.Second)
		f.holds(t, "registered again", map[string]int{"a": 1})
		is(t, "and reported", slices.Compact(f.reported()), []string{"true connected to app:1"})
	})
}

// At the end the instance is taken out, within a bound.
func TestRegistrarLeaves(t *testing.T) {
	for name, tt := range map[string]struct {
		before, last func(f *fakeRegistry) // before it is registered, and before the end
		aims         bool
		another      bool // version is refused in the end
		left         bool
		atMost       time.Duration
		calls        []string // at the end; nil for many
	}{
		"is in":                    {aims: true, left: true, calls: []string{"deregister a"}},
		"nothing is":               {calls: []string{}},
		"never was in":             {aims: true, before: func(f *fakeRegistry) { f.err = errors.New("refused") }, calls: []string{"deregister a"}},
		"Consul errs":              {aims: true, last: func(f *fakeRegistry) { f.err = errors.New("refused") }, atMost: leaveTimeout},
		"Consul hangs":             {aims: true, last: func(f *fakeRegistry) { f.hang = true }, atMost: leaveTimeout, calls: []string{"deregister a"}},
		"the version before is in": {aims: true, left: true, last: func(f *fakeRegistry) { f.refuses = true }, another: true, atMost: leaveTimeout},
		"Consul errs for a second": {aims: true, left: true, atMost: 2 * time.Second, last: func(f *fakeRegistry) {
			f.err = errors.New("refused")
			time.AfterFunc(time.Second, func() { f.set(func() { f.err = nil }) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, f := new(logBuffer), newRegistry()
				if tt.before != nil {
					tt.before(f)
				}
				r := newRegistrar(hclog.New(&hclog.LoggerOptions{Output: log}), new(telemetry.Telemetry))
				r.start()
				if tt.aims {
					r.aim(f.goal("a", 1))
				}
				synctest.Wait()
				f.set(func() {
					if tt.last != nil {
						tt.last(f)
					}
				})
				if tt.another {
					r.aim(f.goal("a", 2))
					synctest.Wait()
				}
				f.took()
				begin := time.Now()
				is(t, "left", r.stop(), tt.left)
				if took := time.Since(begin); took > tt.atMost {
					t.Errorf("that took %v", took)
				}
				if calls, _ := f.took(); tt.calls != nil && len(calls)+len(tt.calls) > 0 {
					is(t, "calls", calls, tt.calls)
				}
				is(t, "closed", f.closes(), tt.aims)
				is(t, "reported", r.report(), (*ServiceStatus)(nil))
				if stays := strings.Contains(log.String(), "stays in Consul"); stays != (tt.last != nil && !tt.left) {
					t.Errorf("the log: %s", log)
				}
			})
		})
	}
}

// A goal that was not taken up is closed with its client.
func TestRegistrarDropsPassedGoals(t *testing.T) {
	first, second := newRegistry(), newRegistry()
	r := newRegistrar(hclog.NewNullLogger(), new(telemetry.Telemetry))
	r.aim(first.goal("a", 1))
	r.aim(second.goal("a", 2))
	is(t, "the first is closed", first.closes(), true)
	r.forget()
	is(t, "the second is closed", second.closes(), true)
}

func TestWhatIsRegistered(t *testing.T) {
	c := parse(t, `
		service "shop" {
			port = 8080
			check "http" {}
			check "tcp" { address = "10.0.0.1:1" }
			check "grpc" { service = "shop.Health" }
			check "ttl" { ttl = "9s" }
			deregister_critical_after = "2m"
		}`)
	second := 10 * time.Second
	is(t, "registration", registrationOf(c.Service, "host (1)"), consul.Registration{
		ID: "shop-host--1--8080", Name: "shop", Port: 8080, Weights: consul.Weights{Passing: 1, Warning: 1},
		Checks: []consul.Check{
			{HTTP: "http://127.0.0.1:8080/health", Interval: second, Timeout: 2 * time.Second},
			{TCP: "10.0.0.1:1", Interval: second, Timeout: 2 * time.Second},
			{GRPC: "127.0.0.1:8080/shop.Health", Interval: second, Timeout: 2 * time.Second},
			{TTL: 9 * time.Second, Interval: 3 * time.Second, Timeout: 2 * time.Second},
		},
		DeregisterAfter: 2 * time.Minute,
	})
	if b := beatOf(c.Service); b.target.Address != "127.0.0.1:8080" || b.interval != 3*time.Second {
		t.Errorf("the own check is %+v", b)
	}
	c = parse(t, `
		service "shop" {
			id      = "mine"
			address = "::1"
			port    = 8080
			check "http" { url = "https://shop/" }
			check "grpc" {}
		}`)
	r := registrationOf(c.Service, "host")
	if r.ID != "mine" || r.Checks[0].HTTP != "https://shop/" || r.Checks[1].GRPC != "[::1]:8080" || beatOf(c.Service) != nil {
		t.Errorf("got %+v", r)
	}
}
