package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
)

var (
	errNoLeader = errors.New("the server that answered knows no leader, so this may be the past")
	errHidden   = errors.New("ACLs may hide instances from this agent")
)

// Confirm asks the leader, without an index, so that neither a cache nor the
// agent's own copy answers.
//
// Consul hides what one may not see instead of refusing, so an empty answer is
// only one if the token is known to be good: a request without a token, or
// with one that counts for nothing in another datacenter, is not even told
// that something was hidden.
func (s source) Confirm(ctx context.Context) (discovery.Snapshot, error) {
	snapshot, meta, err := s.read(ctx, api.QueryOptions{})
	switch {
	case err != nil:
	case !meta.KnownLeader:
		err = s.explain(ctx, errNoLeader)
	case meta.ResultsFilteredByACLs:
		err = s.explain(ctx, fmt.Errorf("%w, for Consul says that it left some out: %s", errHidden, s.remedy()))
	case len(snapshot.Instances)+len(snapshot.Skipped) == 0:
		err = s.vouch(ctx, meta.DefaultACLPolicy)
	}
	if err != nil {
		return discovery.Snapshot{}, err
	}
	return snapshot, nil
}

// vouch finds out whether an empty answer can be taken for the truth. Where
// ACLs are off, or allow by default whoever has no token, it can.
func (s source) vouch(ctx context.Context, defaultPolicy string) error {
	var options api.QueryOptions
	s.address(&options)
	options.Namespace, options.Partition = "", "" // the token names its own
	token, err := s.client.token()
	if err == nil {
		_, _, err = s.client.api.ACL().TokenReadSelf(options.WithContext(ctx))
	}
	status, _ := errors.AsType[api.StatusError](err)
	anonymous := token == "" && status.Code == http.StatusForbidden
	switch {
	case err == nil, status.Code == http.StatusUnauthorized, anonymous && defaultPolicy == "allow":
		return nil
	case anonymous:
		err = fmt.Errorf("%w: it sends no token, and to such a request Consul shows nothing instead of refusing it: %s", errHidden, s.remedy())
	case status.Code == http.StatusForbidden:
		err = fmt.Errorf("%w: its token is not known there (%q): %s", errHidden, strings.TrimSpace(status.Body), s.remedy())
	default:
		err = fmt.Errorf("the answer is empty, and whether the token would be shown anything cannot be found out: %w", err)
	}
	return s.explain(ctx, err)
}

// remedy is what to do about instances that are hidden.
func (s source) remedy() string {
	where := ""
	if s.query.Datacenter != "" {
		where = fmt.Sprintf(" in datacenter %q, and not a local token of another", s.query.Datacenter)
	}
	return fmt.Sprintf("give the agent a token with service:read on %q and node:read on its nodes%s", s.query.Service, where)
}
