package catalog

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseRules(t *testing.T) {
	tests := []struct {
		text  string
		rules []rule
		err   string
	}{
		{text: ""},
		{text: `service "web" { policy = "read" }`, rules: []rule{{"service", "web", false, read}}},
		{text: `service web { policy = "WRITE" }`, rules: []rule{{"service", "web", false, writeAccess}}},
		{text: "node_prefix \"\"\n{\n policy = \"read\"\n}", rules: []rule{{"node", "", true, read}}},
		{text: `service_prefix "a" { policy = "deny", intentions = "read" }`, rules: []rule{{"service", "a", true, deny}}},
		{text: `acl = "write" operator = "read"`, rules: []rule{{"acl", "", false, writeAccess}, {"operator", "", false, read}}},
		{text: `key_prefix "a" { policy = "list" }`, rules: []rule{{"key", "a", true, list}}},
		{text: "# one\n// two\n/* three */ agent \"x\" { policy = \"write\" } # four", rules: []rule{{"agent", "x", false, writeAccess}}},
		{text: `session "" { policy = "read" } query_prefix "" { policy = "read" } event "" { policy = "read" }`,
			rules: []rule{{"session", "", false, read}, {"query", "", true, read}, {"event", "", false, read}}},
		{text: `service "a\"b" { policy = "read" }`, rules: []rule{{"service", `a"b`, false, read}}},
		{text: `nonsense "x" { policy = "y" } mystery = "z"`}, // passed over, as by Consul

		{text: `service "web" {`, err: "At 1:16: object expected RBRACE got: EOF"},
		{text: `service "web" { policy = read }`, err: `At 1:26: object expected a string got: "read"`},
		{text: `service "web" { policy = "bogus" }`, err: `Invalid service policy: "bogus"`},
		{text: `service "web" { policy = "list" }`, err: `Invalid service policy: "list"`},
		{text: `service "web" { }`, err: `Invalid service policy: ""`},
		{text: `acl = "list"`, err: `Invalid acl policy: "list"`},
		{text: `service = "read"`, err: "service wants a name and a block"},
		{text: `service "a" "b" { policy = "read" }`, err: "object expected LBRACE"},
		{text: `{"service": {"web": {"policy": "read"}}}`, err: "object expected a resource"},
		{text: `service "a`, err: "literal not terminated"},
		{text: `/*`, err: "comment not terminated"},
		{text: strings.Repeat(`acl = "read" `, maxRules+1), err: "more than 1000 rules"},
	}
	for _, test := range tests {
		rules, err := parseRules(test.text)
		switch {
		case test.err == "" && err != nil:
			t.Errorf("%s: %v", test.text, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%.60s: error %v, want %s", test.text, err, test.err)
		case test.err == "" && !reflect.DeepEqual(rules, test.rules):
			t.Errorf("%s: %+v, want %+v", test.text, rules, test.rules)
		}
	}
}

func FuzzParseRules(f *testing.F) {
	for _, seed := range []string{
		`service "web" { policy = "read" }`, `acl = "write" # c`, "node_prefix \"\" {\n policy = \"deny\"\n}",
		`key "a" { policy = "list", x = "y" }`, `/* */ operator = "read"`, `"`, `{`, `service "\u0000" { policy = "read" }`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := parseRules(text)
		if err != nil && rules != nil {
			t.Errorf("rules %v beside error %v", rules, err)
		}
		p := &permissions{rules: rules}
		p.allow(serviceResource, "web", read)
	})
}

func TestPermissions(t *testing.T) {
	tests := []struct {
		rules string
		name  string
		need  access
		want  bool
	}{
		{``, "web", read, false},
		{`service "web" { policy = "read" }`, "web", read, true},
		{`service "web" { policy = "read" }`, "web", writeAccess, false},
		{`service "web" { policy = "write" }`, "web", read, true},
		{`service "web" { policy = "write" }`, "web-2", read, false},
		{`service_prefix "web" { policy = "read" }`, "web-2", read, true},
		{`service_prefix "" { policy = "read" } service "web" { policy = "deny" }`, "web", read, false},
		{`service_prefix "" { policy = "deny" } service_prefix "we" { policy = "read" }`, "web", read, true},
		{`service_prefix "we" { policy = "read" } service_prefix "" { policy = "deny" }`, "web", read, true},
		{`service_prefix "web" { policy = "deny" } service "web" { policy = "read" }`, "web", read, true},
		{`service "web" { policy = "read" } service "web" { policy = "write" }`, "web", writeAccess, true},
		{`service "web" { policy = "write" } service "web" { policy = "deny" }`, "web", read, false},
		{`service "web" { policy = "deny" } service "web" { policy = "write" }`, "web", read, false},
		{`node "web" { policy = "write" }`, "web", read, false},
	}
	for _, test := range tests {
		rules, err := parseRules(test.rules)
		if err != nil {
			t.Fatal(err)
		}
		p := &permissions{rules: rules}
		if got := p.allow(serviceResource, test.name, test.need); got != test.want {
			t.Errorf("%s: %s on %s %t, want %t", test.rules, test.need, test.name, got, test.want)
		}
	}
	open := &permissions{fallback: writeAccess}
	if !open.allow(serviceResource, "web", writeAccess) || open.allow(aclResource, "", read) {
		t.Error("a default policy of allow grants everything but access to the ACLs")
	}
}
