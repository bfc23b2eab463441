package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
)

// explain says what was asked of whom.
func (s source) explain(ctx context.Context, err error) error {
	where := ""
	switch {
	case s.query.Peer != "":
		where = fmt.Sprintf(" at peer %q", s.query.Peer)
	case s.query.Datacenter != "":
		where = fmt.Sprintf(" in datacenter %q", s.query.Datacenter)
	}
	return s.sort(ctx, fmt.Errorf("consul %s: health of %q%s: %w", s.client.address, s.query.Service, where, err))
}

// sort tells errors apart by what to do.
func (s source) sort(ctx context.Context, err error) error {
	e := &discovery.Error{Class: "answer", Err: err}
	status, answered := errors.AsType[api.StatusError](err)
	_, onTheWay := errors.AsType[net.Error](err)
	_, noToken := errors.AsType[*tokenError](err)
	switch {
	case noToken:
		e.Class, e.Sooner = "token", s.client.rotation.renewal()
	case ctx.Err() != nil:
		e.Class = "timeout"
	case errors.Is(err, errHidden):
		e.Class, e.Sooner = "hidden", s.client.rotation.renewal()
	case errors.Is(err, errNoLeader):
		e.Class = "server"
	case status.Code == http.StatusForbidden:
		e.Class, e.Pause = "denied", 10*time.Second // a new token may take a while
		e.Sooner = s.client.rotation.renewal()
	case status.Code == http.StatusTooManyRequests, status.Code == http.StatusServiceUnavailable:
		e.Class, e.Pause = "overloaded", 5*time.Second
	case status.Code >= 500:
		e.Class = "server"
	case answered:
		e.Class = "request"
	case onTheWay:
		e.Class = "network"
	}
	return e
}
