package catalog

import (
	"strings"
	"testing"
)

// The verdicts and error texts are those of Consul 1.21.4.
func TestFilter(t *testing.T) {
	entry := healthEntry{
		Node: &node{Node: "dev", Datacenter: "dc1", Meta: map[string]string{"consul-version": "1"}},
		Service: &service{
			ID: "web-1", Service: "web", Tags: []string{"v1", "blue"}, Port: 8081,
			Meta: map[string]string{"version": "2.1"}, Weights: weights{Passing: 5},
			TaggedAddresses: map[string]serviceAddress{"wan": {Address: "198.51.100.7", Port: 80}},
		},
		Checks: []*check{
			{CheckID: "a", Status: passing, Output: "well", ServiceTags: []string{"v1"}},
			{CheckID: "b", Status: critical},
		},
	}
	const yes, no = "true", "false"
	for expression, want := range map[string]string{
		"":                                          yes,
		`Service.ID == "web-1"`:                     yes,
		"Service.ID == `web-1`":                     yes,
		`Service.ID != "web-1"`:                     no,
		`Service.Port == 8081`:                      yes,
		`Service.Port==8082`:                        no,
		`Service.Port != 8082`:                      yes,
		`Service.EnableTagOverride == false`:        yes,
		`Service.Weights.Passing == 5`:              yes,
		`Service.Tags contains v1`:                  yes,
		`v2 in Service.Tags`:                        no,
		`v2 not in Service.Tags`:                    yes,
		`Service.Tags is empty`:                     no,
		`Service.Tags is not empty`:                 yes,
		`Service.Meta.version == "2.1"`:             yes,
		`Service.Meta["version"] == "2.1"`:          yes,
		`Service.Meta.nope == ""`:                   no,
		`Service.Meta.nope != x`:                    yes,
		`Service.Meta.nope matches x`:               no,
		`Service.Meta.nope not matches x`:           yes,
		`version in Service.Meta`:                   yes,
		`nope in Service.Meta`:                      no,
		`Service.TaggedAddresses.wan.Port == 80`:    yes,
		`Service.TaggedAddresses.nope.Port == 80`:   no,
		`Service.TaggedAddresses.nope.Port != 80`:   yes,
		`Service.ID matches "^web-[0-9]$"`:          yes,
		`Service.ID not matches "1"`:                no,
		`eb in Service.ID`:                          yes,
		`Service.ID contains zz`:                    no,
		`Node.Meta["consul-version"] == 1`:          yes,
		`Checks.Status == critical`:                 yes, // of any check
		`Checks.Status != critical`:                 yes,
		`Checks.Status == warning`:                  no,
		`not Checks.Status == warning`:              yes,
		`Checks.ServiceTags contains v1`:            yes,
		`Checks is empty`:                           no,
		`Service.Port == 1 or Node.Node == dev`:     yes,
		`Service.Port == 1 and Node.Node == dev`:    no,
		`(Service.Port == 1) or (Node.Node == dev)`: yes,
		`not (Service.Port == 1 or Node.Node == d)`: yes,

		`Service.Nope == 1`:              `Selector "Service.Nope" is not valid`,
		`service.port == 1`:              `Selector "service" is not valid`,
		`Service.local == true`:          `Selector "Service.local" is not valid`,
		`Service.CreateIndex == 1`:       `Selector "Service.CreateIndex" is not valid`,
		`Service.Locality.Zone == a`:     `Selector "Service.Locality" is not valid`,
		`Checks.Definition.HTTP == a`:    `Selector "Checks.Definition" is not valid`,
		`Service.Tags.x == 1`:            `Selector "Service.Tags.x" is not valid`,
		`Service.Meta.a.b == 1`:          `Selector "Service.Meta.a.b" is not valid`,
		`Service == 1`:                   `Invalid match operator "Equal" for selector "Service"`,
		`Service.Meta == x`:              `Invalid match operator "Equal" for selector "Service.Meta"`,
		`Service.Port is empty`:          `Invalid match operator "Is Empty" for selector "Service.Port"`,
		`Node.ID is not empty`:           `Invalid match operator "Is Not Empty" for selector "Node.ID"`,
		`Service.Tags matches x`:         `Invalid match operator "Matches" for selector "Service.Tags"`,
		`Checks contains x`:              `Invalid match operator "Contains" for selector "Checks"`,
		`Service.Port == abc`:            `Failed to coerce value "abc" for selector "Service.Port": strconv.ParseInt: parsing "abc": invalid syntax`,
		`Service.EnableTagOverride == x`: `Failed to coerce value "x" for selector "Service.EnableTagOverride": strconv.ParseBool: parsing "x": invalid syntax`,
		`Service.ID matches "["`:         "Failed to compile regular expression \"[\": error parsing regexp: missing closing ]: `[`",
		`Service.Weights.Passing > 1`:    `1:25 (24): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]`,
		// What Consul's older grammar does not know is not taken either.
		`any Checks as c { c.Status == x }`: `expressions of type *grammar.CollectionExpression are not supported`,
		`"/Service/Port" == 1`:              `Selector "Service/Port" is not valid`,
		`Service.Meta is nil`:               `Invalid match operator "Is Nil" for selector "Service.Meta"`,
	} {
		var got string
		matches, err := compileFilter[healthEntry](expression)
		switch {
		case err != nil:
			got = strings.TrimPrefix(err.Error(), "Failed to create boolean expression evaluator: ")
		case matches(entry):
			got = yes
		default:
			got = no
		}
		if got != want {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		`Service.Port == 80 and not (v1 in Service.Tags)`, `Checks.Status != passing or Service.Meta.a matches "."`,
		`Service.TaggedAddresses["lan"].Address == "x"`, `"a" in`, `((((`, `any Checks as c { c == 1 }`,
	} {
		f.Add(seed)
	}
	entry := healthEntry{Node: &node{}, Service: &service{TaggedAddresses: map[string]serviceAddress{"lan": {}}}, Checks: []*check{{}}}
	f.Fuzz(func(t *testing.T, expression string) {
		if matches, err := compileFilter[healthEntry](expression); err == nil {
			matches(entry)
			matches(healthEntry{Node: &node{}, Service: &service{}})
		}
	})
}
