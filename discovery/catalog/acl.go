package catalog

import (
	"net/http"
	"strings"
	"time"
)

// ACL configures access control.
type ACL struct {
	// DefaultPolicy is what no rule decides: "allow", or anything else for
	// "deny".
	DefaultPolicy string
	// InitialManagement is the secret of a token that may do everything; ""
	// means there is none, and no way to make others.
	InitialManagement string
}

// acls are the policies and tokens; nil when ACLs are off.
type acls struct {
	fallback access // of what no rule decides
	policies map[string]policy
	tokens   map[string]token // by secret
	writes   watermark        // numbered by the store
}

type policy struct {
	ID          string
	Name        string
	Description string
	Rules       string
	Hash        string
	CreateIndex uint64
	ModifyIndex uint64

	rules []rule
}

type token struct {
	AccessorID  string
	SecretID    string
	Description string
	Policies    []policyLink `json:",omitempty"`
	Local       bool
	CreateTime  time.Time
	Hash        string
	CreateIndex uint64
	ModifyIndex uint64
}

type policyLink struct {
	ID   string
	Name string
}

// managementPolicy permits everything; it has no rules that say so.
const managementPolicy = "global-management"

func newACLs(o ACL) *acls {
	a := &acls{
		policies: map[string]policy{managementPolicy: {ID: "00000000-0000-0000-0000-000000000001", Name: managementPolicy}},
		tokens:   map[string]token{},
	}
	if o.DefaultPolicy == "allow" {
		a.fallback = writeAccess
	}
	if o.InitialManagement != "" {
		a.tokens[o.InitialManagement] = token{
			AccessorID: newUUID(), SecretID: o.InitialManagement,
			Description: "Initial Management Token",
			Policies:    []policyLink{{a.policies[managementPolicy].ID, managementPolicy}},
			CreateTime:  time.Now().UTC(),
			CreateIndex: baseIndex, ModifyIndex: baseIndex,
		}
	}
	return a
}

// changed returns a channel closed when a token or policy changes, for those
// who ask.
func (a *acls) changed(ask bool) <-chan struct{} {
	if a == nil || !ask {
		return nil
	}
	return a.writes.changed()
}

// permissions are what one token may do. A nil *permissions, that of a catalog
// without ACLs, may do everything.
type permissions struct {
	accessor   string // "" is the anonymous token
	management bool
	rules      []rule
	fallback   access
}

var (
	errTokenUnknown     = failure(http.StatusForbidden, "ACL not found")
	errPermissionDenied = failure(http.StatusForbidden, "Permission denied")
	errACLDisabled      = failure(http.StatusUnauthorized, "ACL support disabled")
)

// permissions resolves a secret; "" is the anonymous token.
func (a *acls) permissions(secret string) (*permissions, error) {
	if a == nil {
		return nil, nil
	}
	p := &permissions{fallback: a.fallback}
	if secret == "" {
		return p, nil
	}
	t, ok := a.tokens[secret]
	if !ok {
		return nil, errTokenUnknown
	}
	p.accessor = t.AccessorID
	for _, link := range t.Policies {
		p.management = p.management || link.Name == managementPolicy
		p.rules = append(p.rules, a.policies[link.Name].rules...)
	}
	return p, nil
}

// allow tells whether an access is granted. The most specific rule decides, an
// exact one before prefixes, a longer prefix before a shorter; among equals
// deny prevails, then the greater access.
func (p *permissions) allow(of resource, name string, need access) bool {
	if p == nil || p.management {
		return true
	}
	granted, specific := p.fallback, -1
	if of == aclResource {
		granted = deny // no default policy grants this
	}
	for _, r := range p.rules {
		weight := len(r.name)
		switch {
		case r.resource != of:
			continue
		case !r.prefix && r.name == name:
			weight = len(name) + 1
		case !r.prefix || !strings.HasPrefix(name, r.name):
			continue
		}
		switch {
		case weight > specific:
			granted, specific = r.access, weight
		case weight == specific && (r.access == deny || granted == deny):
			granted = deny
		case weight == specific:
			granted = max(granted, r.access)
		}
	}
	return granted >= need
}

// require is allow that explains a refusal in Consul's words.
func (p *permissions) require(of resource, name string, need access) error {
	if p.allow(of, name, need) {
		return nil
	}
	lacks := " lacks permission '" + string(of) + ":" + need.String() + "'"
	if of != aclResource {
		lacks += " on \"" + name + "\""
	}
	if p.accessor == "" {
		return failure(http.StatusForbidden, "Permission denied: anonymous token%s. The anonymous token is used implicitly when a request does not specify a token.", lacks)
	}
	return failure(http.StatusForbidden, "Permission denied: token with AccessorID '%s'%s", p.accessor, lacks)
}

// readCheck tells whether a check may be seen: one of a service needs access
// to that too.
func (p *permissions) readCheck(chk *check) bool {
	return p.allow(nodeResource, chk.Node, read) && (chk.ServiceName == "" || p.allow(serviceResource, chk.ServiceName, read))
}

// requestToken finds the secret in a request; "" if there is none.
func requestToken(r *http.Request) string {
	if secret := r.URL.Query().Get("token"); secret != "" {
		return secret
	}
	if secret := strings.TrimSpace(r.Header.Get("X-Consul-Token")); secret != "" {
		return secret
	}
	scheme, secret, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(secret)
	}
	return ""
}

// link completes references to policies given by name or by ID.
func (a *acls) link(links []policyLink) ([]policyLink, error) {
	var full []policyLink
	for _, want := range links {
		found := false
		for _, p := range a.policies {
			if want.Name == p.Name || want.Name == "" && want.ID == p.ID {
				full, found = append(full, policyLink{p.ID, p.Name}), true
			}
		}
		if !found {
			return nil, failure(http.StatusInternalServerError, "No such ACL policy with name %q", want.Name)
		}
	}
	return full, nil
}

func (a *acls) byAccessor(id string) (t token, known bool) {
	for _, t := range a.tokens {
		if t.AccessorID == id {
			return t, true
		}
	}
	return token{}, false
}
