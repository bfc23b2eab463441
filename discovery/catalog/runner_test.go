package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Thresholds as Consul 1.21.4 showed them: the first result counts whatever
// it is, and between the thresholds the old state stays, output and all.
func TestThresholds(t *testing.T) {
	tests := []struct {
		name                       string
		success, warning, critical int
		results                    string // one letter a run: passing, warning, critical
		want                       string // of the state after each run
	}{
		{"none", 0, 0, 0, "pcpwc", "pcpwc"},
		{"three failures", 0, 0, 3, "pccccp", "pppccp"},
		{"the first result is a failure", 0, 0, 3, "ccp", "ccp"},
		{"warning on the way", 0, 1, 3, "pccccp", "pwwccp"},
		{"two successes", 2, 0, 0, "pcppp", "pccpp"},
		{"the first result is a success", 3, 0, 0, "ppc", "ppc"},
		{"a warning is a success", 2, 0, 0, "cwwp", "ccwp"},
		{"a success starts the count again", 0, 0, 2, "pcpcpcc", "ppppppc"},
	}
	states := map[rune]string{'p': passing, 'w': warning, 'c': critical}
	for _, test := range tests {
		tally := newTally(&checkDefinition{
			SuccessBeforePassing: test.success, FailuresBeforeWarning: test.warning, FailuresBeforeCritical: test.critical,
		})
		state, got := "?", ""
		for _, result := range test.results {
			if status, counts := tally.judge(states[result]); counts {
				state = status[:1]
			}
			got += state
		}
		if got != test.want {
			t.Errorf("%s: %s gave %s, want %s", test.name, test.results, got, test.want)
		}
	}
}

func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		state := func() string {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			chk := c.store.nodes["dev-node"].checks["x"]
			return chk.Status + " " + chk.Output
		}
		expect := func(want string) {
			t.Helper()
			if got := state(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		register := `{"Name": "web", "Check": {"CheckID": "x", "TTL": "10s", "Status": "passing"}}`
		put(t, c, "/v1/agent/service/register", register)
		time.Sleep(9 * time.Second)
		expect("passing ")
		time.Sleep(2 * time.Second)
		expect("critical TTL expired")
		put(t, c, "/v1/agent/check/warn/x?note=slow", "")
		expect("warning slow")
		time.Sleep(9 * time.Second)
		put(t, c, "/v1/agent/check/warn/x?note=slow", "") // nothing new, but a sign of life
		time.Sleep(9 * time.Second)
		expect("warning slow")
		time.Sleep(2 * time.Second)
		expect("critical TTL expired (last output before timeout follows): slow")
		put(t, c, "/v1/agent/check/warn/x?note=slow", "")
		time.Sleep(9 * time.Second)
		put(t, c, "/v1/agent/service/register", register) // this too, and the state stays
		time.Sleep(9 * time.Second)
		expect("warning slow")
		time.Sleep(2 * time.Second)
		expect("critical TTL expired (last output before timeout follows): slow")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// An output alone reaches the catalog when the update interval is over; the
// agent shows it at once.
func TestOutputWaits(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Minute: time.Minute, -1: 0} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Options{CheckUpdateInterval: interval})
			put(t, c, "/v1/agent/check/register", `{"Name": "x", "TTL": "1h", "Status": "passing"}`)
			began := time.Now()
			for n := 0; ; n++ {
				put(t, c, fmt.Sprintf("/v1/agent/check/pass/x?note=%d", n), "")
				if _, local := call(t, c, "GET", "/v1/agent/checks", ""); !strings.Contains(local, fmt.Sprintf(`"Output": "%d"`, n)) {
					t.Fatalf("the agent does not show output %d: %s", n, local)
				}
				if c.store.nodes["dev-node"].checks["x"].Output != "" {
					break
				}
				time.Sleep(10 * time.Second)
			}
			if took := time.Since(began); took != want {
				t.Errorf("interval %s: output published after %s, want %s", interval, took, want)
			}
		})
	}
}

func TestDeregisterCriticalServiceAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		for name, after := range map[string]string{"short": "1s", "long": "10m", "never": "0s"} {
			put(t, c, "/v1/agent/service/register",
				`{"Name": "`+name+`", "Check": {"TTL": "24h", "DeregisterCriticalServiceAfter": "`+after+`"}}`)
		}
		present := func() string {
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			var names []string
			for _, svc := range sorted(c.store.nodes["dev-node"].services) {
				names = append(names, svc.Service)
			}
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		for _, step := range []struct {
			pass time.Duration
			want string
		}{
			{59 * time.Second, "consul long never short"},
			{32 * time.Second, "consul long never"}, // a minute at least, looked at every 30s
			{8 * time.Minute, "consul long never"},
			{2 * time.Minute, "consul never"},
			{24 * time.Hour, "consul never"},
		} {
			time.Sleep(step.pass)
			if got := present(); got != step.want {
				t.Errorf("%q, want %q", got, step.want)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A check's goroutine ends with its check, not only with Run.
func TestDroppedChecksStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		put(t, c, "/v1/agent/service/register", `{"Name": "web", "Checks": [{"TTL": "1m"}, {"TTL": "1m"}, {"TTL": "1m"}]}`)
		put(t, c, "/v1/agent/check/deregister/service:web:1", "")
		put(t, c, "/v1/agent/service/register", `{"Name": "web", "Checks": [{"TTL": "1m"}, {"TTL": "1m"}, {"TTL": "1m"}]}`)
		put(t, c, "/v1/agent/service/deregister/web", "")
		joined := make(chan struct{})
		go func() {
			c.mu.Lock()
			run := c.running
			c.mu.Unlock()
			run.wg.Wait()
			close(joined)
		}()
		synctest.Wait()
		select {
		case <-joined:
		default:
			t.Error("goroutines of dropped checks are still there")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
