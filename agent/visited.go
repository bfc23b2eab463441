package agent

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/accesslog"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// visited tells of a TCP connection, which has ended.
func (u *upstream) visited(v proxy.Visit) {
	u.tell.Visited(u.name, choosing{u}, v)
	u.observer.visited(v)
}

// visited writes the line of a TCP connection, which has ended.
func (o *logged) visited(v proxy.Visit) {
	if o.access.current.Load() == nil {
		return
	}
	e := &accesslog.Entry{
		Time: time.Now().Add(-v.Took), Duration: v.Took, UpstreamTime: v.Connecting, Protocol: "TCP",
		BytesIn: v.Received, BytesOut: v.Sent, Attempts: v.Attempts,
		Upstream: o.upstream, Outcome: telemetry.Outcome(v.Result), Error: v.Error,
	}
	if v.Server != nil {
		e.Backend, e.Zone = v.Server.ID, v.Server.Zone
	}
	if v.Client.IsValid() {
		e.Client = v.Client.Unmap().String()
	}
	o.access.record(func(*accesslog.Log) *accesslog.Entry { return e })
}
