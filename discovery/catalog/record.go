package catalog

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"time"
)

// The records of the catalog, in the shape in which Consul writes them. A
// stored record is never changed, only replaced: readers keep what they got
// after the lock is gone. The tag bexpr:"-" hides a field from filters, as
// Consul does.

type node struct {
	ID              string
	Node            string
	Address         string
	Datacenter      string
	TaggedAddresses map[string]string
	Meta            map[string]string
	CreateIndex     uint64 `bexpr:"-"`
	ModifyIndex     uint64 `bexpr:"-"`
}

// same tells whether a write of n over old changes nothing.
func (n node) same(old node) bool {
	n.CreateIndex, n.ModifyIndex = old.CreateIndex, old.ModifyIndex
	return reflect.DeepEqual(n, old)
}

type service struct {
	Kind              string `json:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]serviceAddress `json:",omitempty"`
	Meta              map[string]string
	Port              int    `json:",omitempty"`
	SocketPath        string `json:",omitempty"`
	Weights           weights
	EnableTagOverride bool
	Locality          *locality `json:",omitempty" bexpr:"-"`
	Proxy             proxy
	Connect           connect
	PeerName          string
	CreateIndex       uint64 `bexpr:"-"`
	ModifyIndex       uint64 `bexpr:"-"`

	local bool // registered with this agent, not with the catalog
}

type serviceAddress struct {
	Address string
	Port    int
}

// weights are an instance's shares by its state; Passing is 1 or more, Warning
// 0 or more.
type weights struct {
	Passing int
	Warning int
}

type locality struct {
	Region string
	Zone   string
}

// proxy keeps of a sidecar's settings what a reader needs to find its service.
type proxy struct {
	DestinationServiceName string `json:",omitempty"`
	DestinationServiceID   string `json:",omitempty"`
	LocalServiceAddress    string `json:",omitempty"`
	LocalServicePort       int    `json:",omitempty"`
	Mode                   string
	MeshGateway            meshGateway
	Expose                 expose
}

type meshGateway struct {
	Mode string `json:",omitempty"`
}

type expose struct {
	Checks bool `json:",omitempty"`
}

type connect struct {
	Native bool `json:",omitempty"`
}

// destination is the service that svc offers to the mesh, "" for none.
func (s *service) destination() string {
	switch {
	case s.Kind == connectProxy:
		return s.Proxy.DestinationServiceName
	case s.Connect.Native:
		return s.Service
	}
	return ""
}

const connectProxy = "connect-proxy"

type check struct {
	Node        string
	CheckID     string
	Name        string
	Status      string
	Notes       string
	Output      string
	ServiceID   string
	ServiceName string
	ServiceTags []string
	Type        string
	Interval    string
	Timeout     string
	ExposedPort int
	PeerName    string     `json:",omitempty"`
	Definition  definition `bexpr:"-"`
	CreateIndex uint64     `bexpr:"-"`
	ModifyIndex uint64     `bexpr:"-"`
}

// definition says how an external monitor would run the check. The catalog
// stores it and runs nothing: only the agent's own checks run.
type definition struct {
	Interval                       duration            `json:",omitzero"`
	Timeout                        duration            `json:",omitzero"`
	DeregisterCriticalServiceAfter duration            `json:",omitzero"`
	HTTP                           string              `json:",omitempty"`
	Header                         map[string][]string `json:",omitempty"`
	Method                         string              `json:",omitempty"`
	Body                           string              `json:",omitempty"`
	TLSServerName                  string              `json:",omitempty"`
	TLSSkipVerify                  bool                `json:",omitempty"`
	TCP                            string              `json:",omitempty"`
	TCPUseTLS                      bool                `json:",omitempty"`
	UDP                            string              `json:",omitempty"`
	GRPC                           string              `json:",omitempty"`
	GRPCUseTLS                     bool                `json:",omitempty"`
	OSService                      string              `json:",omitempty"`
}

// The states of a check.
const (
	passing  = "passing"
	warning  = "warning"
	critical = "critical"
)

// A checked instance, as /v1/health/service lists it.
type healthEntry struct {
	Node    *node
	Service *service
	Checks  []*check
}

// duration reads "10s" as well as nanoseconds, and writes "10s".
type duration time.Duration

func (d *duration) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) != nil {
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return fmt.Errorf("time: invalid duration %s", text)
		}
		*d = duration(n)
		return nil
	}
	if s == "" {
		*d = 0
		return nil
	}
	parsed, err := time.ParseDuration(s)
	*d = duration(parsed)
	return err
}

func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// family tells in which of the tagged addresses, lan_ipv4 or lan_ipv6, an
// address belongs; "" if it is a host name.
func family(address string) string {
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return ""
	case a.Unmap().Is4():
		return "ipv4"
	}
	return "ipv6"
}
