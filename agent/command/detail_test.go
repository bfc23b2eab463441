package command

import (
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent"
)

func TestExplainDetails(t *testing.T) {
	now := time.Now()
	e := agent.Explanation{
		UpstreamStatus: agent.UpstreamStatus{Name: "web", Listen: ":1", Protocol: "http", Strategy: "random"},
		Backends: []agent.Backend{
			{ID: "a", Address: "a:80", State: "up", Rule: 13, Reason: "the catalog says passing", WouldChange: []string{"down when the catalog says critical", "ejected when 5 requests in a row fail"},
				Probe: agent.BackendProbe{Skipped: 1, History: []agent.ProbeResult{
					{At: now.Add(-7 * time.Second), Took: 2, Output: "timeout\x1b[31m"}, {At: now.Add(-2 * time.Second), Good: true, Took: .001, Output: "200 OK"},
				}}},
			{ID: "b", Address: "b:80", State: "ejected", Rule: 5, Reason: "ejected after failed requests", Ejections: 3, EjectionLeft: 12,
				Damping: &agent.BackendDamping{Penalty: 1.26}, WouldChange: []string{"up when its ejection ends in 12s", "up when its probe passes"}},
			{ID: "c", Address: "c:80", State: "ejected", Rule: 18, Reason: "kept out because it flaps", Catalog: agent.BackendCatalog{Check: "ttl", Output: "hm", Against: now.Add(-time.Minute)},
				Damping: &agent.BackendDamping{Penalty: 6.5, Times: 1, Until: now.Add(10 * time.Minute)}, WouldChange: []string{"up when it has settled in 10m0s and the catalog says passing"}},
			{ID: "d", Address: "d:80", State: "draining", Rule: 2, Reason: "gone from the catalog", WouldChange: []string{"up when the catalog lists it again"}},
		},
	}
	table := `web on :1: http, random

BACKEND  ADDRESS  STATE     WEIGHT  SHARE  ACTIVE  REQUESTS  FAILED  MEAN  CATALOG  PROBE  SINCE  RULE  WHY
a        a:80     up             0     0%       0         0       0     -                      -    13  the catalog says passing
b        b:80     ejected        0     0%       0         0       0     -                      -     5  ejected after failed requests
c        c:80     ejected        0     0%       0         0       0     -                      -    18  kept out because it flaps: hm
d        d:80     draining       0     0%       0         0       0     -                      -     2  gone from the catalog
`
	want := table + `
b would be up when its ejection ends in 12s, or when its probe passes
c would be up when it has settled in 10m0s and the catalog says passing
`
	if o := call(t, nil, "explain", "web", "-admin", answers(t, e)); o.stdout != want {
		t.Errorf("got\n%s\nwant\n%s", o.stdout, want)
	}
	want = table + `
a is up: the catalog says passing
  would be down when the catalog says critical
  would be ejected when 5 requests in a row fail
  not probed once, since requests were answered well
  probe  2s  ago  good  1ms  200 OK
  probe  7s  ago  bad    2s  timeout [31m

b is ejected: ejected after failed requests
  ejected 3 times, now for another 12s
  penalty for flapping 1.3
  would be up when its ejection ends in 12s
  would be up when its probe passes

c is ejected: kept out because it flaps
  catalog, check "ttl": hm
  the catalog speaks against it for 1m0s
  penalty for flapping 6.5, kept out for it once, now for another 10m0s
  would be up when it has settled in 10m0s and the catalog says passing

d is draining: gone from the catalog
  would be up when the catalog lists it again
`
	if o := call(t, nil, "explain", "-v", "web", "-admin", answers(t, e)); o.stdout != want {
		t.Errorf("got\n%s\nwant\n%s", o.stdout, want)
	}
}
