package agent

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// registering runs a registrar in virtual time.
func registering(t *testing.T, test func(t *testing.T, r *registrar, f *fakeRegistry, log *logBuffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log, f := new(logBuffer), newRegistry()
		r := newRegistrar(hclog.New(&hclog.LoggerOptions{Output: log}), new(telemetry.Telemetry))
		r.start()
		test(t, r, f, log)
		r.stop()
		is(t, "the client is closed", f.closes(), true)
	})
}

func is(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestRegistrarKeepsTheGoal(t *testing.T) {
	registering(t, func(t *testing.T, r *registrar, f *fakeRegistry, log *logBuffer) {
		r.aim(f.goal("a", 1))
		synctest.Wait()
		calls, times := f.took()
		is(t, "at once", calls, []string{"register a"})
		is(t, "at once", times[0], time.Duration(0))
		s := r.report()
		if !s.Registered || s.ID != "a" || s.Name != "shop" || s.Error != "" || !s.Since.Equal(time.Now()) {
			t.Errorf("reported as %+v", s)
		}
		time.Sleep(time.Minute)
		calls, times = f.took()
		if len(calls) < 5 || len(calls) > 8 || slices.ContainsFunc(calls, func(c string) bool { return c != "look a" }) {
			t.Errorf("in a minute: %v", calls)
		}
		if g := gaps(times); len(slices.Compact(g)) < 2 {
			t.Errorf("it looks in step: %v", times)
		}
		is(t, "since", r.report().Since, s.Since)

		f.set(func() { clear(f.has) }) // Consul starts empty
		time.Sleep(12 * time.Second)
		f.holds(t, "once it is lost", map[string]int{"a": 1})
		is(t, "told of the loss", strings.Count(log.String(), "Consul has lost the service"), 1)

		f.set(func() { clear(f.has) })
		r.look() // somebody says that Consul was away
		synctest.Wait()
		f.holds(t, "once it is told to look", map[string]int{"a": 1})

		f.set(func() {
			clear(f.has)
			f.refuses = true
		})
		r.look()
		synctest.Wait()
		if s := r.report(); s.Registered || s.Error == "" {
			t.Errorf("lost and refused, reported as %+v", s)
		}
		f.set(func() { f.refuses = false })
		time.Sleep(registerCap)
	})
}

func gaps(times []time.Duration) (gaps []time.Duration) {
	for i := range times[1:] {
		gaps = append(gaps, times[i+1]-times[i])
	}
	return gaps
}

// It tries for ever, ever more slowly, and says so once.
func TestRegistrarTriesOn(t *testing.T) {
	registering(t, func(t *testing.T, r *registrar, f *fakeRegistry, log *logBuffer) {
		f.set(func() { f.err = &discovery.Error{Class: "network", Err: errors.New("refused")} })
		r.aim(f.goal("a", 1))
		time.Sleep(time.Hour)
		calls, times := f.took()
		if len(calls) < 400 || len(calls) > 1500 {
			t.Errorf("%d calls in an hour", len(calls))
		}
		for i, gap := range gaps(times) {
			if limit := min(registerStep<<min(i, 10), registerCap); gap > limit+1 {
				t.Errorf("pause %d is %v", i, gap)
			}
		}
		if times[len(times)-1] < time.Hour-registerCap-1 {
			t.Error("it gave up")
		}
		if s := r.report(); s.Registered || s.Error == "" || !s.Since.Equal(f.begin) {
			t.Errorf("reported as %+v", s)
		}
		is(t, "told once", strings.Count(log.String(), "cannot tell Consul"), 1)

		f.set(func() { f.err = &discovery.Error{Class: "denied", Pause: 10 * time.Second, Err: errors.New("403")} })
		time.Sleep(time.Minute)
		is(t, "another kind is told", strings.Count(log.String(), "cannot tell Consul"), 2)
		if calls, _ := f.took(); len(calls) > 7 {
			t.Errorf("denied, it asks %d times a minute", len(calls))
		}
		f.set(func() { f.err = nil })
		time.Sleep(21 * time.Second)
		if s := r.report(); !s.Registered || s.Error != "" || s.Since.Before(f.begin.Add(time.Hour)) {
			t.Errorf("reported as %+v", s)
		}
		is(t, "told of the end", strings.Count(log.String(), "can be told of the service again"), 1)

		// What is in stays in, as far as is known.
		f.set(func() { f.hang = true })
		time.Sleep(time.Minute)
		if s := r.report(); !s.Registered || s.Error == "" {
			t.Errorf("reported as %+v", s)
		}
		f.set(func() { f.hang = false })
	})
}

// A new version replaces the one before, another instance is there before the
// one before goes, and without a goal there is nothing.
func TestRegistrarFollowsTheGoal(t *testing.T) {
	registering(t, func(t *testing.T, r *registrar, f *fakeRegistry, _ *logBuffer) {
		follow := func(what string, g goal, want ...string) {
			t.Helper()
			f.took()
			r.aim(g)
			synctest.Wait()
			calls, _ := f.took()
			is(t, what, calls, want)
		}
		follow("the first", f.goal("a", 1), "register a")
		follow("a new version", f.goal("a", 2), "register a")
		f.holds(t, "a new version", map[string]int{"a": 2})
		is(t, "the client before is closed", f.closes(), true)
		follow("another instance", f.goal("b", 2), "register b", "deregister a")

		g := f.goal("b", 3)
		g.place = "the same Consul by another address"
		follow("by another address", g, "deregister b", "register b")
		f.holds(t, "by another address", map[string]int{"b": 3})

		f.set(func() { f.err = errors.New("refused") })
		other := newRegistry()
		follow("in another Consul", other.goal("b", 3), "deregister b")
		other.holds(t, "in another Consul", map[string]int{"b": 3})
		f.set(func() { f.err = nil })
		time.Sleep(time.Minute)
		if calls, _ := f.took(); len(calls) > 0 {
			t.Errorf("the Consul before might be the same, and gets %v", calls)
		}
		follow("and back", f.goal("b", 3), "register b")
		other.holds(t, "and back", map[string]int{})

		follow("none", goal{}, "deregister b")
		is(t, "reported", r.report(), (*ServiceStatus)(nil))
		time.Sleep(time.Hour)
		if calls, _ := f.took(); len(calls) > 0 {
			t.Errorf("without a goal: %v", calls)
		}
	})
}

// What cannot be taken out at once is taken out once Consul answers, unless it
// is wanted again by then.
func TestRegistrarTakesOutLater(t *testing.T) {
	for _, again := range []bool{false, true} {
		registering(t, func(t *testing.T, r *registrar, f *fakeRegistry, _ *logBuffer) {
			r.aim(f.goal("a", 1))
			synctest.Wait()
			f.set(func() { f.err = errors.New("refused") })
			r.aim(goal{})
			time.Sleep(time.Minute)
			if again {
				r.aim(f.goal("a", 2))
				synctest.Wait()
				if s := r.report(); !s.Registered {
					t.Errorf("the version before is %+v", s)
				}
			}
			f.set(func() { f.err = nil })
			f.took()
			time.Sleep(time.Minute)
			calls, _ := f.took()
			if again {
				f.holds(t, "wanted again", map[string]int{"a": 2})
				is(t, "wanted again", slices.Contains(calls, "deregister a"), false)
				return
			}
			is(t, "not wanted", calls, []string{"deregister a"})
		})
	}
}
