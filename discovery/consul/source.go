package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
)

// Query says which instances are asked for. Two that are equal share a watch.
type Query struct {
	Service       string
	Filter        string // a filter expression over health entries; see FilterOf
	Datacenter    string // "" means the client's
	Namespace     string
	Partition     string
	Near          string // sort by round trip from this node
	TaggedAddress string // use this tagged address where an instance has it
	ZoneFrom      string // node_meta:KEY or service_meta:KEY; "": the service's locality, else its node's
	PriorityFrom  string // node_meta:KEY or service_meta:KEY; "": all have priority 0
}

// String names the question. It is the same from one version to the next, so
// that an answer kept on disk is known again.
func (q Query) String() string {
	type asked struct{ Service, Filter, Datacenter, Namespace, Partition, Near, TaggedAddress string }
	s := fmt.Sprintf("%+v", asked{q.Service, q.Filter, q.Datacenter, q.Namespace, q.Partition, q.Near, q.TaggedAddress})
	if q.ZoneFrom != "" {
		s += " zone from " + q.ZoneFrom
	}
	if q.PriorityFrom != "" {
		s += " priority from " + q.PriorityFrom
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
func (c *Client) Source(q Query) discovery.Source { return source{c, q} }

type source struct {
	client *Client
	query  Query
}

func (s source) Fetch(ctx context.Context, after uint64) (discovery.Snapshot, error) {
	token, err := s.client.token()
	if err != nil {
		return discovery.Snapshot{}, &discovery.Error{Class: "token", Err: fmt.Errorf("consul: %w", err)}
	}
	options := s.client.defaults
	set(&options.Datacenter, s.query.Datacenter)
	set(&options.Namespace, s.query.Namespace)
	set(&options.Partition, s.query.Partition)
	options.Filter, options.Near, options.Token = s.query.Filter, s.query.Near, token
	options.WaitIndex, options.WaitTime = after, s.client.wait
	// Any server may answer, which spares the leader. How old an answer may be
	// is bounded by the watch itself.
	options.AllowStale = true

	entries, meta, err := s.client.api.Health().ServiceMultipleTags(s.query.Service, nil, false, options.WithContext(ctx))
	if err != nil {
		return discovery.Snapshot{}, s.explain(ctx, err)
	}
	if entries == nil { // JSON null, which Consul never means
		return discovery.Snapshot{}, s.explain(ctx, errors.New("the answer is null, not a list"))
	}
	snapshot := snapshotOf(entries, s.query)
	snapshot.Index, snapshot.At = meta.LastIndex, time.Now()
	return snapshot, nil
}

// explain says what was asked of whom, and sorts errors by what to do.
func (s source) explain(ctx context.Context, err error) error {
	e := &discovery.Error{Class: "answer", Err: fmt.Errorf("consul %s: health of %q: %w", s.client.address, s.query.Service, err)}
	if ctx.Err() != nil {
		e.Class = "timeout"
		return e
	}
	if status, ok := errors.AsType[api.StatusError](err); ok {
		switch {
		case status.Code == http.StatusForbidden:
			e.Class, e.Pause = "denied", 10*time.Second // a new token may take a while
		case status.Code == http.StatusTooManyRequests || status.Code == http.StatusServiceUnavailable:
			e.Class, e.Pause = "overloaded", 5*time.Second
		case status.Code >= 500:
			e.Class = "server"
		default:
			e.Class = "request"
		}
		return e
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		e.Class = "network"
	}
	return e
}
