package consul

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// Registration is a service instance to register at the agent.
type Registration struct {
	ID       string
	Name     string
	Address  string // "" means the agent's node
	Port     int
	Tags     []string
	Metadata map[string]string
	Weight   int // 0 means 1
	// HTTP is the URL of a check made every Interval; "" for no check. The
	// instance is critical until the first check has passed.
	HTTP     string
	Interval time.Duration
	// DeregisterAfter removes the instance once it was critical for so long,
	// in case its process died without doing so; 0 for never.
	DeregisterAfter time.Duration
}

// Register registers an instance, or updates the one of its ID.
func (c *Client) Register(ctx context.Context, r Registration) error {
	service := &api.AgentServiceRegistration{
		ID: r.ID, Name: r.Name, Address: r.Address, Port: r.Port, Tags: r.Tags, Meta: r.Metadata,
		Weights: &api.AgentWeights{Passing: max(1, r.Weight), Warning: 1},
	}
	if r.HTTP != "" {
		service.Check = &api.AgentServiceCheck{
			CheckID: r.ID + "-http", Name: r.Name + " over HTTP",
			HTTP: r.HTTP, Interval: r.Interval.String(), Timeout: max(r.Interval, time.Second).String(),
		}
		if r.DeregisterAfter > 0 {
			service.Check.DeregisterCriticalServiceAfter = r.DeregisterAfter.String()
		}
	}
	var options api.ServiceRegisterOpts
	if err := c.api.Agent().ServiceRegisterOpts(service, options.WithContext(ctx)); err != nil {
		return fmt.Errorf("consul %s: register %q: %w", c.address, r.ID, err)
	}
	return nil
}

// Deregister removes an instance from the agent.
func (c *Client) Deregister(ctx context.Context, id string) error {
	if err := c.api.Agent().ServiceDeregisterOpts(id, new(api.QueryOptions).WithContext(ctx)); err != nil {
		return fmt.Errorf("consul %s: deregister %q: %w", c.address, id, err)
	}
	return nil
}
