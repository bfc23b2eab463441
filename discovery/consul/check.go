package consul

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// serfHealth is the check by which Consul knows that a node's agent lives.
const serfHealth = "serfHealth"

// What is kept of an instance's checks for people to read is bounded: others
// write it, and there may be many instances.
const (
	outputLimit = 256 // bytes of what a check printed
	nameLimit   = 128 // bytes of an ID or a name
	checksLimit = 32  // of an instance
)

// IgnoreOf puts the IDs and names of checks that are to have no say into a
// Query's Ignore, the same for the same ones.
func IgnoreOf(checks []string) string {
	sorted := slices.Sorted(slices.Values(checks))
	return strings.Join(slices.Compact(sorted), "\n")
}

func (q Query) ignored() map[string]bool {
	if q.Ignore == "" {
		return nil
	}
	ignored := make(map[string]bool)
	for check := range strings.SplitSeq(q.Ignore, "\n") {
		ignored[check] = true
	}
	return ignored
}

// declarationOf aggregates checks as Consul does: maintenance before critical
// before warning, and no check at all passes. It adds which check decided, and
// whether only the node's agent is missing: then the service may well live.
func declarationOf(checks api.HealthChecks, ignored map[string]bool) health.Declaration {
	d := health.Declaration{Status: health.Passing}
	for _, check := range checks {
		if check == nil || ignores(ignored, check) {
			continue
		}
		// A status of no known name warns: it is neither good nor proof of bad.
		status := health.Warning
		switch {
		case maintains(check):
			status = health.Maintenance
		case check.Status == api.HealthPassing:
			continue
		case check.Status == api.HealthCritical && check.CheckID == serfHealth:
			status = health.NodeCritical
		case check.Status == api.HealthCritical:
			status = health.Critical
		}
		if status > d.Status {
			d = health.Declaration{Status: status, Check: check.CheckID, Output: shorten(check.Output, outputLimit)}
		}
	}
	return d
}

// maintains tells whether a check is the operator's word, which Consul puts
// among the checks.
func maintains(check *api.HealthCheck) bool {
	return check.CheckID == api.NodeMaint || strings.HasPrefix(check.CheckID, api.ServiceMaintPrefix)
}

// ignores tells whether a check has no say. Maintenance always has.
func ignores(ignored map[string]bool, check *api.HealthCheck) bool {
	return (ignored[check.CheckID] || ignored[check.Name]) && !maintains(check)
}

// checksOf lists the checks of an instance for people. Where there are too many
// those that pass are left out first.
func checksOf(checks api.HealthChecks, ignored map[string]bool) []discovery.Check {
	checks = slices.DeleteFunc(slices.Clone(checks), func(c *api.HealthCheck) bool { return c == nil })
	if len(checks) > checksLimit {
		slices.SortStableFunc(checks, func(a, b *api.HealthCheck) int {
			return cmp.Compare(rank(a), rank(b))
		})
		checks = checks[:checksLimit]
	}
	out := make([]discovery.Check, 0, len(checks))
	for _, check := range checks {
		out = append(out, discovery.Check{
			ID: shorten(check.CheckID, nameLimit), Name: shorten(check.Name, nameLimit), Status: shorten(check.Status, nameLimit),
			Output: shorten(check.Output, outputLimit), Node: check.ServiceID == "", Ignored: ignores(ignored, check),
		})
	}
	return out
}

// rank orders checks by how much they say.
func rank(c *api.HealthCheck) int {
	switch {
	case maintains(c):
		return 0
	case c.Status == api.HealthCritical:
		return 1
	case c.Status != api.HealthPassing:
		return 2
	}
	return 3
}

// shorten keeps the beginning of a text, and not the memory of the rest.
func shorten(text string, limit int) string {
	text = strings.TrimSpace(text)
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
