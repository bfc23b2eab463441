package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/consul/api"
)

// Registration is a service instance to register at the agent.
type Registration struct {
	ID       string // unique at the agent; it goes into paths
	Name     string
	Address  string // "" means the agent's node
	Port     int
	Tags     []string
	Metadata map[string]string
	Weights  Weights
	// EnableTagOverride lets others change the tags in the catalog.
	EnableTagOverride bool
	Region, Zone      string  // the locality, or neither
	Checks            []Check // of each kind one at most
	// DeregisterAfter removes the instance once it was critical for so long,
	// in case its process died without doing so; 0 for never.
	DeregisterAfter time.Duration
}

// Weights are an instance's share by its state. The zero value means 1 and 1.
type Weights struct{ Passing, Warning int }

// Check is a check of one kind. The agent makes it every Interval, but for that
// with a TTL, whose results are told by Report. The instance is critical until
// the first has passed.
type Check struct {
	HTTP     string            // the URL
	Header   map[string]string // of HTTP
	TCP      string            // host:port
	GRPC     string            // host:port, or host:port/service
	TLS      bool              // of TCP and GRPC
	TTL      time.Duration     // how long a report counts
	Interval time.Duration
	Timeout  time.Duration // 0 means the Interval, and 1 s at least
}

// Register registers an instance, or makes the one of its ID the same.
func (c *Client) Register(ctx context.Context, r Registration) error {
	service := &api.AgentServiceRegistration{
		ID: r.ID, Name: r.Name, Address: r.Address, Port: r.Port, Tags: r.Tags, Meta: r.Metadata,
		Weights: &api.AgentWeights{Passing: 1, Warning: 1}, EnableTagOverride: r.EnableTagOverride,
	}
	if r.Weights != (Weights{}) {
		*service.Weights = api.AgentWeights(r.Weights)
	}
	if r.Region != "" {
		service.Locality = &api.Locality{Region: r.Region, Zone: r.Zone}
	}
	for _, k := range r.Checks {
		service.Checks = append(service.Checks, r.check(k))
	}
	return c.atAgent(ctx, "register", r.ID, func() error {
		options := api.ServiceRegisterOpts{ReplaceExistingChecks: true}
		return c.api.Agent().ServiceRegisterOpts(service, options.WithContext(ctx))
	})
}

func (r Registration) check(k Check) *api.AgentServiceCheck {
	check := new(api.AgentServiceCheck)
	var kind string
	switch {
	case k.HTTP != "":
		kind, check.HTTP, check.Header = "http", k.HTTP, make(map[string][]string)
		for name, value := range k.Header {
			check.Header[name] = []string{value}
		}
	case k.TCP != "":
		kind, check.TCP, check.TCPUseTLS = "tcp", k.TCP, k.TLS
	case k.GRPC != "":
		kind, check.GRPC, check.GRPCUseTLS = "grpc", k.GRPC, k.TLS
	default:
		kind, check.TTL = "ttl", k.TTL.String()
	}
	check.CheckID, check.Name = r.ID+"-"+kind, r.Name+" over "+kind
	if check.TTL == "" {
		timeout := k.Timeout
		if timeout == 0 {
			timeout = max(k.Interval, time.Second)
		}
		check.Interval, check.Timeout = k.Interval.String(), timeout.String()
	}
	if r.DeregisterAfter > 0 {
		check.DeregisterCriticalServiceAfter = r.DeregisterAfter.String()
	}
	return check
}

// Deregister removes an instance from the agent, if it is there.
func (c *Client) Deregister(ctx context.Context, id string) error {
	_, err := found(c.atAgent(ctx, "deregister", id, func() error {
		return c.api.Agent().ServiceDeregisterOpts(id, new(api.QueryOptions).WithContext(ctx))
	}))
	return err
}

// Registered tells whether the agent has an instance of an ID.
func (c *Client) Registered(ctx context.Context, id string) (bool, error) {
	return found(c.atAgent(ctx, "look for", id, func() error {
		_, _, err := c.api.Agent().Service(id, new(api.QueryOptions).WithContext(ctx))
		return err
	}))
}

// Report tells the agent the result of an instance's TTL check, and tells
// whether the agent knows the check.
func (c *Client) Report(ctx context.Context, id string, good bool, output string) (known bool, err error) {
	status := api.HealthCritical
	if good {
		status = api.HealthPassing
	}
	return found(c.atAgent(ctx, "report on", id, func() error {
		return c.api.Agent().UpdateTTLOpts(id+"-ttl", output, status, new(api.QueryOptions).WithContext(ctx))
	}))
}

// atAgent makes a call about one instance.
func (c *Client) atAgent(ctx context.Context, do, id string, call func() error) error {
	if err := call(); err != nil {
		return source{client: c}.sort(ctx, fmt.Errorf("consul %s: %s %q: %w", c.address, do, id, err))
	}
	return nil
}

// found makes an answer of the error that says no.
func found(err error) (bool, error) {
	if status, ok := errors.AsType[api.StatusError](err); ok && status.Code == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
