package catalog

import (
	"cmp"
	"maps"
	"net/http"
	"strings"
	"time"
)

// What applications send to register with the agent. The JSON keys are Consul's
// and, where Consul takes the spelling of its configuration files too, those.

type serviceDefinition struct {
	Kind              string
	ID                string
	Name              string
	Tags              []string
	Address           string
	TaggedAddresses   map[string]serviceAddress
	Port              int
	SocketPath        string
	Meta              map[string]string
	Weights           *weights
	EnableTagOverride bool
	Check             *checkDefinition
	Checks            []*checkDefinition
	Proxy             *proxy
	Connect           *connect
	Locality          *locality
	Token             string // of Consul's later syncs; nothing here needs it
}

func decodeService(w http.ResponseWriter, r *http.Request) (*serviceDefinition, error) {
	var d serviceDefinition
	// The type's name is part of the error texts that Consul's readers know.
	type Alias serviceDefinition
	body := struct {
		EnableTagOverrideSnake bool                      `json:"enable_tag_override"`
		TaggedAddressesSnake   map[string]serviceAddress `json:"tagged_addresses"`
		*Alias
	}{Alias: (*Alias)(&d)}
	if err := decode(w, r, "Request decode", &body); err != nil {
		return nil, err
	}
	d.EnableTagOverride = d.EnableTagOverride || body.EnableTagOverrideSnake
	if d.TaggedAddresses == nil {
		d.TaggedAddresses = body.TaggedAddressesSnake
	}
	if d.Check != nil {
		d.Checks = append(d.Checks, d.Check)
	}
	return &d, d.validate()
}

func (d *serviceDefinition) validate() error {
	bad := func(text string) error { return failure(http.StatusBadRequest, "%s", text) }
	switch {
	case d.Name == "":
		return bad("Missing service name")
	case d.Address == "0.0.0.0" || d.Address == "::" || d.Address == "[::]":
		return bad("Invalid service address")
	case d.Locality != nil && d.Locality.Region == "" && d.Locality.Zone != "":
		return bad("Validation failed: 1 error occurred:\n\t* zone cannot be set without region\n\n")
	}
	if w := d.Weights; w != nil {
		switch {
		case w.Passing < 1:
			return bad("Invalid Weights: Passing must be greater than 0")
		case w.Warning < 0:
			return bad("Invalid Weights: Warning must be greater or equal than 0")
		case w.Passing > 65535 || w.Warning > 65535:
			return bad("Invalid Weights: DNS Weight must be between 0 and 65535")
		}
	}
	if err := d.validateMeta(); err != nil {
		return err
	}
	if d.Kind == connectProxy && (d.Proxy == nil || d.Proxy.DestinationServiceName == "") {
		return bad("Validation failed: 1 error occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\n")
	}
	if err := validServiceName(d.Name); err != nil {
		return err
	}
	for _, chk := range d.Checks {
		if chk == nil {
			return bad("Request decode failed: a check is null")
		}
		if !validStatus(chk.Status) {
			return bad("Status for checks must 'passing', 'warning', 'critical'")
		}
		if err := chk.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (d *serviceDefinition) validateMeta() error {
	if len(d.Meta) > 64 {
		return failure(http.StatusBadRequest, "Invalid Service Meta: Node metadata cannot contain more than 64 key/value pairs")
	}
	for key, value := range d.Meta {
		reason := ""
		switch {
		case key == "":
			reason = "Key cannot be blank"
		case strings.Trim(key, nameLetters+"_") != "":
			reason = "Key contains invalid characters"
		case len(key) > 128:
			reason = "Key is too long (limit: 128 characters)"
		case strings.HasPrefix(key, "consul-"):
			reason = "Key prefix 'consul-' is reserved for internal use"
		case len(value) > 512:
			reason = "Value is too long (limit: 512 characters)"
		}
		if reason != "" {
			return failure(http.StatusBadRequest, "Invalid Service Meta: Couldn't load metadata pair ('%s', '%s'): %s", key, value, reason)
		}
	}
	return nil
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

func validServiceName(name string) error {
	if strings.Trim(name, nameLetters) != "" {
		return failure(http.StatusInternalServerError, "Service name %s contains invalid characters. Valid characters include all alpha-numerics and dashes.", name)
	}
	return nil
}

// record makes the service that the catalog holds.
func (d *serviceDefinition) record() service {
	s := service{
		Kind: d.Kind, ID: d.ID, Service: d.Name, Tags: d.Tags, Address: d.Address,
		TaggedAddresses: maps.Clone(d.TaggedAddresses), Meta: d.Meta, Port: d.Port, SocketPath: d.SocketPath,
		Weights: weights{Passing: 1, Warning: 1}, EnableTagOverride: d.EnableTagOverride, Locality: d.Locality,
		local: true,
	}
	if s.ID == "" {
		s.ID = d.Name
	}
	if d.Weights != nil {
		s.Weights = *d.Weights
	}
	if d.Proxy != nil {
		s.Proxy = *d.Proxy
	}
	if d.Connect != nil {
		s.Connect = *d.Connect
	}
	if f := family(d.Address); f != "" {
		if s.TaggedAddresses == nil {
			s.TaggedAddresses = map[string]serviceAddress{}
		}
		for _, tag := range []string{"lan_" + f, "wan_" + f} {
			if _, given := s.TaggedAddresses[tag]; !given {
				s.TaggedAddresses[tag] = serviceAddress{Address: d.Address, Port: d.Port}
			}
		}
	}
	return s
}

// A checkDefinition is a check of a service, or, with an ID in place of the
// CheckID, one on its own.
type checkDefinition struct {
	CheckID                        string
	Name                           string
	Notes                          string
	Status                         string
	TTL                            duration
	HTTP                           string
	Method                         string
	Header                         map[string][]string
	Body                           string
	DisableRedirects               bool
	TCP                            string
	TCPUseTLS                      bool
	GRPC                           string
	GRPCUseTLS                     bool
	TLSServerName                  string
	TLSSkipVerify                  bool
	Interval                       duration
	Timeout                        duration
	SuccessBeforePassing           int
	FailuresBeforeWarning          int
	FailuresBeforeCritical         int
	DeregisterCriticalServiceAfter duration
	OutputMaxSize                  int
	ServiceID                      string

	unsupportedChecks
	snakeCheck
}

// unsupportedChecks are the checks of Consul that are not run here.
type unsupportedChecks struct {
	Args, ScriptArgs         []string
	Shell, DockerContainerID string
	UDP, H2PING, OSService   string
	H2PingUseTLS             bool
	AliasNode, AliasService  string
}

type snakeCheck struct {
	TCPUseTLSSnake     bool     `json:"tcp_use_tls"`
	GRPCUseTLSSnake    bool     `json:"grpc_use_tls"`
	TLSServerNameSnake string   `json:"tls_server_name"`
	TLSSkipVerifySnake bool     `json:"tls_skip_verify"`
	ServiceIDSnake     string   `json:"service_id"`
	DeregisterSnake    duration `json:"deregister_critical_service_after"`
}

// validate refuses what Consul refuses and what cannot be run here.
func (d *checkDefinition) validate() error {
	d.TCPUseTLS = d.TCPUseTLS || d.TCPUseTLSSnake
	d.GRPCUseTLS = d.GRPCUseTLS || d.GRPCUseTLSSnake
	d.TLSSkipVerify = d.TLSSkipVerify || d.TLSSkipVerifySnake
	d.TLSServerName = cmp.Or(d.TLSServerName, d.TLSServerNameSnake)
	d.ServiceID = cmp.Or(d.ServiceID, d.ServiceIDSnake)
	d.DeregisterCriticalServiceAfter = cmp.Or(d.DeregisterCriticalServiceAfter, d.DeregisterSnake)

	bad := func(text string) error { return failure(http.StatusBadRequest, "Invalid check: %s", text) }
	switch {
	case len(d.Args) > 0 || len(d.ScriptArgs) > 0:
		return failure(http.StatusInternalServerError, "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true")
	case d.DockerContainerID != "" || d.UDP != "" || d.H2PING != "" || d.OSService != "" || d.AliasNode != "" || d.AliasService != "":
		return bad("this catalog runs HTTP, TCP, gRPC and TTL checks only")
	case d.Interval > 0 && d.TTL > 0:
		return bad("Interval and TTL cannot both be specified")
	case d.kind() != "ttl" && d.Interval <= 0:
		return bad("Interval must be > 0 for Script, HTTP, H2PING, TCP, UDP or OSService checks")
	case d.kind() == "ttl" && d.TTL <= 0:
		return bad("TTL must be > 0 for TTL checks")
	case d.OutputMaxSize < 0:
		return bad("MaxOutputMaxSize must be positive")
	case d.FailuresBeforeWarning > d.FailuresBeforeCritical:
		return bad("FailuresBeforeWarning can't be higher than FailuresBeforeCritical")
	}
	return nil
}

func (d *checkDefinition) kind() string {
	switch {
	case d.HTTP != "":
		return "http"
	case d.TCP != "":
		return "tcp"
	case d.GRPC != "":
		return "grpc"
	}
	return "ttl"
}

// outputLimit is the longest output kept, in bytes.
func (d *checkDefinition) outputLimit() int {
	if d.OutputMaxSize > 0 {
		return min(d.OutputMaxSize, defaultOutput)
	}
	return defaultOutput
}

const defaultOutput = 4096

// timeout bounds one run of the check.
func (d *checkDefinition) timeout() time.Duration {
	if d.Timeout > 0 {
		return time.Duration(d.Timeout)
	}
	return 10 * time.Second
}

func validStatus(status string) bool {
	return status == "" || status == passing || status == warning || status == critical
}
