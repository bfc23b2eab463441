package catalog

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// /v1/acl/...

// written are fields that the server writes. Clients send them along, and they
// are not looked at.
type written struct {
	Hash                     any
	CreateIndex, ModifyIndex uint64
}

func (c *Catalog) createPolicy(w http.ResponseWriter, r *http.Request) (any, error) {
	if c.acl == nil {
		return nil, errACLDisabled
	}
	var req struct {
		ID, Name, Description, Rules string
		Datacenters                  []string // of several clusters; here is one
		written
	}
	if err := decode(w, r, "Policy decoding", &req); err != nil {
		return nil, err
	}
	if req.ID != "" {
		return nil, failure(http.StatusBadRequest, "Cannot specify the ID when creating a new policy")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.requireACL(r, writeAccess); err != nil {
		return nil, err
	}
	rules, err := parseRules(req.Rules)
	_, taken := c.acl.policies[req.Name]
	switch {
	case req.Name == "":
		return nil, failure(http.StatusInternalServerError, "Invalid Policy: no Name is set")
	case !validPolicyName(req.Name):
		return nil, failure(http.StatusInternalServerError, "Invalid Policy: invalid Name. Only alphanumeric characters, a single '/', '-' and '_' are allowed")
	case taken:
		return nil, failure(http.StatusInternalServerError, "Invalid Policy: A Policy with Name %q already exists", req.Name)
	case err != nil:
		return nil, failure(http.StatusInternalServerError, "%s", err)
	}
	i := c.aclWrite()
	p := policy{
		ID: newUUID(), Name: req.Name, Description: req.Description, Rules: req.Rules,
		Hash: hash(req.Name, req.Description, req.Rules), CreateIndex: i, ModifyIndex: i, rules: rules,
	}
	c.acl.policies[p.Name] = p
	return p, nil
}

func validPolicyName(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return strings.Trim(name, allowed+"/") == "" && strings.Count(name, "/") <= 1
}

func (c *Catalog) createToken(w http.ResponseWriter, r *http.Request) (any, error) {
	if c.acl == nil {
		return nil, errACLDisabled
	}
	var req struct {
		AccessorID, SecretID, Description string
		Policies                          []policyLink
		Local                             bool
		CreateTime                        time.Time
		written
	}
	if err := decode(w, r, "Token decoding", &req); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.requireACL(r, writeAccess); err != nil {
		return nil, err
	}
	if req.AccessorID == "" {
		req.AccessorID = newUUID()
	}
	if req.SecretID == "" {
		req.SecretID = newUUID()
	}
	_, taken := c.acl.tokens[req.SecretID]
	_, known := c.acl.byAccessor(req.AccessorID)
	switch {
	case uuidFault(req.AccessorID) != "":
		return nil, failure(http.StatusInternalServerError, "Invalid Token: AccessorID - not a valid UUID")
	case uuidFault(req.SecretID) != "":
		return nil, failure(http.StatusInternalServerError, "Invalid Token: SecretID - not a valid UUID")
	case known:
		return nil, failure(http.StatusInternalServerError, "Invalid Token: AccessorID is already in use")
	case taken:
		return nil, failure(http.StatusInternalServerError, "Invalid Token: SecretID is already in use")
	}
	links, err := c.acl.link(req.Policies)
	if err != nil {
		return nil, err
	}
	i := c.aclWrite()
	t := token{
		AccessorID: req.AccessorID, SecretID: req.SecretID, Description: req.Description,
		Policies: links, Local: req.Local, CreateTime: time.Now().UTC(),
		Hash: hash(req.AccessorID, req.Description), CreateIndex: i, ModifyIndex: i,
	}
	c.acl.tokens[t.SecretID] = t
	return t, nil
}

func (c *Catalog) deleteToken(_ http.ResponseWriter, r *http.Request) (any, error) {
	if c.acl == nil {
		return nil, errACLDisabled
	}
	id := r.PathValue("id")
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.requireACL(r, writeAccess); err != nil {
		return nil, err
	}
	if uuidFault(id) != "" {
		return nil, failure(http.StatusInternalServerError, "Token ID is missing or an invalid UUID")
	}
	t, known := c.acl.byAccessor(id)
	if !known {
		return nil, failure(http.StatusNotFound, "Cannot find token to delete")
	}
	delete(c.acl.tokens, t.SecretID)
	c.aclWrite()
	return true, nil
}

func (c *Catalog) readOwnToken(w http.ResponseWriter, r *http.Request) (any, error) {
	if c.acl == nil {
		return nil, errACLDisabled
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t, known := c.acl.tokens[requestToken(r)]
	if !known {
		setMeta(w, 0, false, "blocking-query")
		return nil, failure(http.StatusForbidden, "token does not exist: ACL not found")
	}
	setMeta(w, c.acl.writes.index, true, "blocking-query")
	return t, nil
}

func (c *Catalog) requireACL(r *http.Request, need access) error {
	may, err := c.acl.permissions(requestToken(r))
	if err != nil {
		return err
	}
	return may.require(aclResource, "", need)
}

// aclWrite takes the index of a write to the ACLs and lets streams look at
// their tokens again.
func (c *Catalog) aclWrite() uint64 {
	i := c.store.next()
	c.store.writes.fire(i)
	c.acl.writes.fire(i)
	return i
}

// hash stands for the content hash of a policy or token; only its changes mean
// something.
func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
