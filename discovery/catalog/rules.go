package catalog

import (
	"fmt"
	"strconv"
	"strings"
	"text/scanner"
)

// An access level, in the order in which it grants more.
type access int

const (
	deny access = iota
	read
	list // keys only
	writeAccess
)

func (a access) String() string { return [...]string{"deny", "read", "list", "write"}[a] }

// A resource is a kind of thing that rules are about.
type resource string

const (
	serviceResource resource = "service"
	nodeResource    resource = "node"
	agentResource   resource = "agent"
	queryResource   resource = "query"
	aclResource     resource = "acl"
)

// A rule grants an access to one name, or to all that begin with it.
type rule struct {
	resource resource
	name     string
	prefix   bool
	access   access
}

// maxRules bounds the rules of one policy.
const maxRules = 1000

// parseRules reads the rules of an ACL policy:
//
//	service "web" { policy = "read" }
//	node_prefix "" { policy = "read" }
//	acl = "write"
//
// Like Consul it passes over resources and attributes it does not know; the
// JSON spelling of rules is refused. Positions in errors are line:column.
func parseRules(text string) ([]rule, error) {
	p := ruleParser{}
	p.scan.Init(strings.NewReader(text))
	p.scan.Mode = scanner.ScanIdents | scanner.ScanStrings | scanner.ScanComments | scanner.SkipComments
	p.scan.Error = func(s *scanner.Scanner, reason string) { p.fail(s.Pos(), "%s", reason) }
	p.scan.Whitespace |= 1 << ','
	p.advance()
	var rules []rule
	for p.token != scanner.EOF && p.err == nil {
		if r, ok := p.rule(); ok {
			rules = append(rules, r)
		}
		if len(rules) > maxRules {
			p.fail(p.scan.Position, "more than %d rules", maxRules)
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	return rules, nil
}

type ruleParser struct {
	scan  scanner.Scanner
	token rune
	err   error
}

func (p *ruleParser) fail(at scanner.Position, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("Failed to parse ACL rules: At %d:%d: %s", at.Line, at.Column, fmt.Sprintf(format, args...))
	}
}

func (p *ruleParser) advance() {
	p.token = p.scan.Scan()
	// Consul's language has # comments too.
	for p.token == '#' && p.err == nil {
		for c := p.scan.Peek(); c != '\n' && c != scanner.EOF; c = p.scan.Peek() {
			p.scan.Next()
		}
		p.token = p.scan.Scan()
	}
}

// take returns the text of the current token, if it is of a wanted kind.
func (p *ruleParser) take(what string, kinds ...rune) string {
	for _, kind := range kinds {
		if p.token != kind {
			continue
		}
		text := p.scan.TokenText()
		if kind == scanner.String {
			unquoted, err := strconv.Unquote(text)
			if err != nil {
				p.fail(p.scan.Position, "string %s: %v", text, err)
			}
			text = unquoted
		}
		p.advance()
		return text
	}
	found := strconv.Quote(p.scan.TokenText())
	if p.token == scanner.EOF {
		found = "EOF"
	}
	p.fail(p.scan.Position, "object expected %s got: %s", what, found)
	return ""
}

// rule reads `kind "name" { policy = "…" }` or `kind = "…"`. It reports false
// for what it passes over.
func (p *ruleParser) rule() (rule, bool) {
	kind := p.take("a resource", scanner.Ident)
	r := rule{resource: resource(strings.TrimSuffix(kind, "_prefix")), prefix: strings.HasSuffix(kind, "_prefix")}
	named, known := r.resource.known()
	if p.token == '=' {
		p.take("=", '=')
		value := p.take("a string", scanner.String)
		if known && named {
			p.fail(p.scan.Position, "%s wants a name and a block", kind)
		}
		return p.grant(r, kind, value, known)
	}
	r.name = p.take("a name", scanner.String, scanner.Ident)
	p.take("LBRACE", '{')
	policy := ""
	for p.token != '}' && p.err == nil {
		attribute := p.take("RBRACE", scanner.Ident)
		p.take("=", '=')
		value := p.take("a string", scanner.String)
		if attribute == "policy" {
			policy = value
		}
	}
	p.take("RBRACE", '}')
	return p.grant(r, kind, policy, known && named)
}

// known tells whether rules may be about a resource, and whether they name it.
func (r resource) known() (named, known bool) {
	switch r {
	case "service", "node", "agent", "query", "key", "session", "event":
		return true, true
	case "acl", "operator", "keyring", "mesh", "peering":
		return false, true
	}
	return false, false
}

func (p *ruleParser) grant(r rule, kind, policy string, known bool) (rule, bool) {
	if !known || p.err != nil {
		return rule{}, false
	}
	for level := deny; level <= writeAccess; level++ {
		if strings.EqualFold(policy, level.String()) && (level != list || r.resource == "key") {
			r.access = level
			return r, true
		}
	}
	p.err = fmt.Errorf("Invalid %s policy: %q", kind, policy)
	return rule{}, false
}
