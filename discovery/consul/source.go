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

// Query says which instances are asked for. Two that are equal share a watch.
type Query struct {
	Service       string
	Filter        string // a filter expression over health entries; see FilterOf
	Datacenter    string // "" means the client's
	Peer          string // a peered cluster that exports the service
	Namespace     string
	Partition     string
	Near          string // sort by round trip from this node
	TaggedAddress string // use this tagged address where an instance has it
	Ignore        string // checks that have no say in an instance's health; see IgnoreOf
	ZoneFrom      string // node_meta:KEY or service_meta:KEY; "": the service's locality, else its node's
	PriorityFrom  string // node_meta:KEY or service_meta:KEY; "": all have priority 0
}

// String names the question. It is the same from one version to the next, so
// that an answer kept on disk is known again.
func (q Query) String() string {
	type asked struct{ Service, Filter, Datacenter, Namespace, Partition, Near, TaggedAddress string }
	s := fmt.Sprintf("%+v", asked{q.Service, q.Filter, q.Datacenter, q.Namespace, q.Partition, q.Near, q.TaggedAddress})
	for _, later := range []struct{ what, value string }{
		{"zone from", q.ZoneFrom}, {"priority from", q.PriorityFrom}, {"peer", q.Peer},
	} {
		if later.value != "" {
			s += " " + later.what + " " + later.value
		}
	}
	if q.Ignore != "" {
		s += fmt.Sprintf(" ignore %q", q.Ignore)
	}
	return s
}

// FilterOf puts tags that an instance must carry and a filter expression into
// one filter. Tags go by filter and not by the parameter of that name, which
// Consul has deprecated and which ignores case.
func FilterOf(tags []string, filter string) string {
	var terms []string
	for _, tag := range tags {
		terms = append(terms, fmt.Sprintf("%q in Service.Tags", tag))
	}
	if filter != "" {
		if len(terms) > 0 {
			filter = "(" + filter + ")"
		}
		terms = append(terms, filter)
	}
	return strings.Join(terms, " and ")
}

// Source asks the health of one service, all instances and not only those that
// pass: who asks for the passing ones cannot tell "all critical" from "none".
// It serves one query at a time, as a Watcher makes them.
func (c *Client) Source(q Query) discovery.Source {
	if q.Datacenter == c.defaults.Datacenter {
		q.Datacenter = "" // at home
	}
	return source{c, q, newMemory()}
}

type source struct {
	client *Client
	query  Query
	memory *memory
}

// Fetch lets any server answer, which spares the leader. How old an answer may
// be is bounded by the watch itself. A query whose token or certificate is
// replaced while it waits begins again without an index, for the new one may
// be shown something else.
func (s source) Fetch(ctx context.Context, after uint64) (discovery.Snapshot, error) {
	for {
		token, _ := s.client.token() // its error is that of the query
		asking, release := s.client.rotation.hold(ctx)
		snapshot, _, err := s.read(asking, api.QueryOptions{WaitIndex: after, WaitTime: s.client.someWait(), AllowStale: true})
		renewed := errors.Is(context.Cause(asking), errRotated)
		release()
		if err == nil || ctx.Err() != nil || !renewed && !s.outdated(token, err) {
			return snapshot, err
		}
		after = 0
	}
}

// outdated tells whether a query was denied for a token that has been replaced.
func (s source) outdated(token string, err error) bool {
	if status, ok := errors.AsType[api.StatusError](err); !ok || status.Code != http.StatusForbidden {
		return false
	}
	now, err := s.client.token()
	return err == nil && now != token
}

// read asks once. The options say how, the query what.
func (s source) read(ctx context.Context, options api.QueryOptions) (discovery.Snapshot, *api.QueryMeta, error) {
	fail := func(err error) (discovery.Snapshot, *api.QueryMeta, error) {
		return discovery.Snapshot{}, nil, s.explain(ctx, err)
	}
	if err := checkName(s.query.Service); err != nil {
		return fail(err)
	}
	s.address(&options)
	options.Filter, options.Near = s.query.Filter, s.query.Near
	taken := &entries{query: s.query, memory: s.memory}
	left, meta, err := s.client.api.Health().ServiceMultipleTags(s.query.Service, nil, false, options.WithContext(taken.taking(ctx)))
	if err != nil {
		return fail(err)
	}
	if left == nil { // JSON null, which Consul never means
		return fail(errors.New("the answer is null, not a list"))
	}
	snapshot := snapshotOf(taken.found)
	snapshot.Index, snapshot.At = meta.LastIndex, taken.arrived
	snapshot.Origin = discovery.Origin{
		Server: s.client.address, Datacenter: options.Datacenter,
		Streamed: meta.QueryBackend == api.QueryBackendStreaming,
		Leader:   meta.KnownLeader, Lag: meta.LastContact, Hidden: meta.ResultsFilteredByACLs,
	}
	return snapshot, meta, nil
}

// address says whom a query is for.
func (s source) address(o *api.QueryOptions) {
	o.Datacenter, o.Namespace, o.Partition = s.client.defaults.Datacenter, s.client.defaults.Namespace, s.client.defaults.Partition
	set(&o.Datacenter, s.query.Datacenter)
	set(&o.Namespace, s.query.Namespace)
	set(&o.Partition, s.query.Partition)
	if o.Peer = s.query.Peer; o.Peer != "" {
		o.Datacenter = "" // what a peer exports is known here
	}
}

// checkName refuses what would ask for something else: the library puts names
// into the path as they are.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r < ' ' }) {
		return fmt.Errorf("%q is no name of a service", name)
	}
	return nil
}
