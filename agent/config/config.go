// Package config reads the agent's HCL and holds it as plain typed values.
//
// It is the only package that knows HCL. What leaves it is complete and valid:
// every default is filled in, every name is known, every duration is possible,
// so that the rest of the agent never checks configuration again.
package config

import (
	"net/netip"
	"time"
)

// Config is the whole configuration of one agent. Two values that are deeply
// equal ask for the same agent, which is how a reload finds what changed.
type Config struct {
	Agent     Agent
	Consul    Consul
	Admin     Admin
	Telemetry Telemetry
	Service   *Registration // nil: the app is not registered
	Upstreams []Upstream    // in the order of the files
}

// Agent is the block about the process itself.
type Agent struct {
	Name         string        // the app this agent stands beside; goes into telemetry as outrigger.app.name
	DataDir      string        // where the last known good of each service is kept; "" keeps none
	LogLevel     string        // trace, debug, info, warn or error
	LogFormat    string        // text or json
	DrainTimeout time.Duration // how long requests in flight may take to finish at the end
	Zone         string        // where this agent runs; "" is not known
	Probes       Probes
	// ReservedFiles are the file descriptors that upstreams leave for the rest.
	ReservedFiles int
}

// Probes is what the checks of all upstreams together may cost.
type Probes struct {
	PerSecond int // begun in a second
	AtOnce    int // under way at one moment
}

// Consul tells how to reach Consul. Empty fields fall back to the CONSUL_*
// variables and then to Consul's own defaults; that is left to the client, so
// that one place decides.
type Consul struct {
	Address    string // host:port, http://…, https://… or unix://…
	Token      string
	TokenFile  string // read again for every query, so a rotated token needs no reload
	Datacenter string
	Namespace  string
	Partition  string
	Wait       time.Duration // how long one blocking query may wait at the server
	// StartJitter is over how long first queries are spread where something is
	// known already, so that agents which start together do not ask together.
	StartJitter time.Duration
	TLS         TLS
}

// TLS names the files for TLS to Consul, a collector or a backend.
type TLS struct {
	CAFile             string
	CertFile           string
	KeyFile            string
	ServerName         string
	InsecureSkipVerify bool
}

// BackendTLS is TLS to the backends of an upstream.
type BackendTLS struct {
	TLS
	Match      []string // names of which a certificate has to hold one, in place of ServerName; see secure.ParseName
	MinVersion string   // 1.2 or 1.3
}

// Admin is the listener of status, explain, metrics and readiness.
type Admin struct {
	Listen string // host:port, where port 0 takes a free one; "off" for none
}

// Telemetry is what leaves the agent about itself.
type Telemetry struct {
	Traces          Traces
	Metrics         Metrics
	Logs            Logs
	AccessLog       AccessLog
	ShutdownTimeout time.Duration // the bound on the last flush
}

// Exporter is how one signal leaves the agent. The OTEL_* variables override
// each field; that is left to package telemetry.
type Exporter struct {
	Exporters []string // otlp, stdout, none; metrics also prometheus
	Protocol  string   // otlp: grpc or http/protobuf
	Endpoint  string   // otlp: a URL; "" means the protocol's default on localhost

	Compression string            // otlp: none or gzip
	Headers     map[string]string // otlp: that go with every export
	Timeout     time.Duration     // otlp: of one export
	TLS         TLS               // otlp, by an https endpoint
}

// Traces is the block about spans.
type Traces struct {
	Exporter
	SampleRatio   float64 // share of new traces that are recorded, 0 to 1; a caller's decision is kept
	TrustIncoming bool    // false starts a new trace for every request and links the caller's
	Mode          string  // hop, or client for spans of attempts alone
	TCP           bool    // a span for each TCP connection, at its end
	SpanName      string  // semconv for the method alone, or upstream for its name too
}

// Metrics is the block about metrics.
type Metrics struct {
	Exporter
	Interval    time.Duration // between two pushes; scrapes have none
	Temporality string        // otlp: cumulative, delta or lowmemory

	LatencyBuckets []time.Duration // upper bounds, rising, of those of requests' and attempts' durations; none: those of OpenTelemetry
	BodySize       bool            // the sizes of bodies are measured
	// ConnectionDuration has it measured how long connections to backends last.
	ConnectionDuration bool
	BackendLimit       int // backends of an upstream that have series of their own
}

// Logs is the block about events, and about lines of the log beside standard
// error.
type Logs struct {
	Exporter
	Level string // the least of lines that go along: trace to error, or off
}

// AccessLog is the block about a line for each request, and for each connection
// of tcp upstreams.
type AccessLog struct {
	Format          string        // off, json, common or a format string, see accesslog.Parse
	Output          string        // stdout, stderr or the path of a file
	Sample          float64       // share of requests that have a line, 0 to 1
	Status          []StatusRange // of requests that have one whatever the share is
	MinDuration     time.Duration // of such requests; 0: not for this
	Retried         bool          // likewise
	Failed          bool          // likewise
	RequestHeaders  []string      // that json has
	ResponseHeaders []string
	Buffer          int // bytes of lines that may wait to be written
}

// Registration is the app that the agent stands beside, as others find it in
// Consul.
type Registration struct {
	Name                    string // the block's label
	ID                      string // "" is made of the name, the host and the port
	Address                 string // by which others reach the app; "" is that of Consul's node
	Port                    int
	Tags                    []string
	Meta                    map[string]string
	EnableTagOverride       bool // lets others change the tags in the catalog
	Region                  string
	Zone                    string
	Weights                 Weights
	Checks                  []ServiceCheck // one of each type at most
	DeregisterCriticalAfter time.Duration  // how long it may be critical before Consul takes it out; 0: for ever
	DeregisterWait          time.Duration  // between taking it out and the drain
}

// Weights are an instance's share beside the others, by what its checks say.
type Weights struct {
	Passing int
	Warning int // 0: none at all
}

// ServiceCheck is a check that Consul's agent makes of the app; ttl is one that
// this agent makes and reports.
type ServiceCheck struct {
	Type     string            // http, tcp, grpc or ttl
	Path     string            // http: at the app's own address
	URL      string            // http: instead of Path
	Header   map[string]string // http
	Address  string            // tcp, grpc and ttl: host:port; "" is the app's own
	Service  string            // grpc: the name asked for; "" means the server as a whole
	TLS      bool              // tcp and grpc
	TTL      time.Duration     // ttl: how long a report counts
	Interval time.Duration
	Timeout  time.Duration
}

// Upstream is one service that the app calls on a localhost port.
type Upstream struct {
	Name            string
	Listen          string // host:port or unix:///path; port 0 takes a free one
	Protocol        string // http or tcp
	BackendProtocol string // auto, http1, h2c (in the clear) or h2 (over TLS): how to talk to the backends of an http upstream
	Strategy        string
	HashOn          string         // client_ip, path, header:NAME or cookie:NAME: the key of consistent_hash; tcp has client_ip only
	HashBalance     float64        // of the hashing strategies: a backend's bound on requests in flight, in shares; 0: none
	ShadowStrategy  string         // asked and counted beside Strategy, but not obeyed; "" for none
	PreferZone      bool           // backends in Agent.Zone first
	AcceptProxy     bool           // tcp: every connection begins with a PROXY header
	Trusted         []netip.Prefix // tcp: who may connect where AcceptProxy is set
	SendProxy       string         // tcp: v1 or v2, the PROXY header that backends get; "" for none
	OnRemove        string         // keep, drain or close: what becomes of what goes on with a backend that is removed
	RemoveGrace     time.Duration  // how long drain lets it go on, and close a request
	Consul          *Service
	Servers         []Server
	Sticky          *Sticky     // nil: no sessions
	TLS             *BackendTLS // nil: the backends are talked to in the clear
	Headers         Headers
	SlowStart       SlowStart
	Subset          Subset
	Health          Health
	Retry           Retry
	Connections     Connections
	Timeouts        Timeouts
	Limits          Limits
}

// Service says which of Consul's services an upstream is.
type Service struct {
	Name          string
	Tags          []string // an instance must carry all of them
	Filter        string   // a Consul filter expression over the health entries
	Datacenter    string
	Namespace     string
	Partition     string
	Near          string        // sort by round trip from this node; _agent means the local one
	TaggedAddress string        // use this tagged address (lan, wan, …) where an instance has it
	ZoneFrom      string        // locality, node_meta:KEY or service_meta:KEY
	PriorityFrom  string        // node_meta:KEY or service_meta:KEY; "": every instance has priority 0
	Peer          string        // the peered cluster that it is in; not beside Datacenter
	IgnoreChecks  []string      // IDs and names of checks that have no say
	OnEmpty       string        // hold or drop: what to do with backends that probes prove alive when all were deregistered
	OnEmptyHold   time.Duration // how long to hold
	PreparedQuery string        // whose definition says which services to use where; "": the fields here do
	Failover      []Failover    // where else it is looked for, in order of preference
}

// Failover is another place for a service. What is empty is as in the Service,
// but for Datacenter and Peer, of which one stands for the place.
type Failover struct {
	Datacenter string
	Peer       string
	Service    string
	Namespace  string
	Partition  string
}

// Server is a backend written down instead of discovered.
type Server struct {
	Name           string // the block's label; unique within the upstream
	Address        string // host:port or unix:///path
	Weight         int
	MaxConnections int // requests (http) or connections (tcp) at once; 0: no limit
	Zone           string
	Priority       int // of its failover group, 0 the first
}

// Sticky keeps a client at one backend by a cookie, whatever the strategy.
type Sticky struct {
	Cookie string        // its name
	TTL    time.Duration // how long the client keeps it; 0: until it is closed
	Path   string        // below which the client sends it
}

// Headers say how an http upstream changes the headers that pass it.
type Headers struct {
	XForwarded   bool           // X-Forwarded-For, -Host and -Proto are added for backends
	Via          bool           // so is Via
	Forwarded    bool           // so is Forwarded (RFC 7239)
	RequestID    bool           // a request without an X-Request-Id gets one
	TrustedPeers []netip.Prefix // who is believed, beside unix sockets, about whom they forward for
	Request      HeaderRules    // for requests to backends
	Response     HeaderRules    // for answers of backends
}

// HeaderRules are changes of a header: first fields are removed, then set,
// then added.
type HeaderRules struct {
	Set    map[string]string
	Add    map[string]string
	Remove []string
}

// SlowStart has a backend that is new, or up again, begin with a part of its
// share.
type SlowStart struct {
	Window       time.Duration // until it has the whole; 0: no slow start
	Aggression   float64       // 1 is linear, more gives more share early
	LeastPercent int           // of its share, to begin with
}

// Subset has the agent use some of very many backends.
type Subset struct {
	Size   int    // backends to use of each failover group and zone; 0: all
	Client string // tells this agent from the others; "" is made up from its name and its host
}

// Health says how an upstream's backends are judged.
type Health struct {
	Merge          string        // worst, catalog, probe or any: how the catalog's word and the checks' become one
	Warning        string        // reduced, passing or out: what a warning of the catalog is worth
	ConsulFall     time.Duration // how long the catalog must speak against a backend that is up before that counts
	Panic          string        // threshold, off or fail_closed: what happens below PanicThreshold
	PanicThreshold int           // percent of backends up below which all are used; 0: never
	MaxStale       time.Duration // how long an unrefreshed catalog counts before its word expires
	Check          *Check        // nil: no active checks
	Ejection       Ejection
	Damping        *Damping // nil: none
}

// Check is an active check that the agent itself makes.
type Check struct {
	Type     string // http, tcp or grpc
	Path     string // http
	Status   []StatusRange
	Host     string // http: the Host header; "" means the backend's address
	Service  string // grpc: the name asked for; "" means the server as a whole
	Interval time.Duration
	Timeout  time.Duration
	Rise     int // good checks in a row before a down backend is up
	Fall     int // bad checks in a row before an up backend is down

	TrustTraffic bool // no check where a request has just been answered well
}

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ From, To int }

// Ejection takes a backend out because of what real requests met there.
type Ejection struct {
	ConsecutiveFailures int           // 0: no ejection
	BaseTime            time.Duration // times the number of ejections so far
	MaxTime             time.Duration
	MaxPercent          int // of the backends, though always at least one may be out
}

// Damping keeps a backend out that goes up and down again and again: each such
// change adds 1 to its penalty. Ejection.MaxPercent bounds how many may be
// out for this too.
type Damping struct {
	Suppress float64       // the penalty above which it is kept out
	Reuse    float64       // the penalty at which it is let in
	HalfLife time.Duration // in which a penalty halves
	MaxTime  time.Duration // the longest it is kept out at a stretch
}

// Retry says what happens to a request that a backend failed.
type Retry struct {
	Max             int // further attempts after the first; 0: none
	BudgetPercent   int // retries as a share of requests
	BudgetPerSecond int // retries always allowed on top
	On              []Answer
	Hedge           *Hedge // nil: no request goes to two backends at once
}

// Answer is one that is to be had from another backend: that which is set of
// its fields.
type Answer struct {
	Status     StatusRange // of HTTP
	RetryAfter bool        // a 503 that says when to come again
	GRPC       int         // a status of gRPC
}

// Hedge has a second backend asked where the first takes long.
type Hedge struct {
	Percentile float64       // of the times to the head of an answer, after which it takes long
	Least      time.Duration // the least to wait for
}

// Connections say how those to backends are kept for the next request.
type Connections struct {
	Idle    time.Duration // how long without work
	MaxIdle int           // of the upstream, without work
	MaxAge  time.Duration // how long in all; 0: for ever
	Warm    int           // made to each backend ahead of the first request
}

// Timeouts bound the phases of one request; 0 means no bound. A tcp upstream
// uses Connect and Tunnel only, and the default of Header for PROXY headers.
type Timeouts struct {
	Connect   time.Duration // to a backend
	FirstByte time.Duration // from the request being sent to the answer's head
	Idle      time.Duration // between two reads of a body or a stream
	Client    time.Duration // for the app to take the next of an answer
	Request   time.Duration // the whole of it, retries included
	Tunnel    time.Duration // silence on a TCP connection or an upgraded one
	Header    time.Duration // for the app to send a request's head
	KeepAlive time.Duration // between two requests on one connection from the app
}

// Limits bound what an upstream takes on; 0 means no limit.
type Limits struct {
	MaxRequests          int // in flight at once (http)
	MaxConnections       int // from the app at once
	MaxRequestsPerServer int // in flight at once at one backend, where it names no limit of its own
	MaxHeaderBytes       int // of a request's or an answer's head; never 0
	MaxHeaders           int // fields in one; never 0
	MaxRequestLine       int // bytes (HTTP/1); never 0

	MaxQueue     int           // requests (http) or connections (tcp) that may wait where every backend is at its limit; 0: none
	QueueTimeout time.Duration // the longest that one waits; 0: as long as it lives

	RateLimit      *RateLimit           // nil: none
	CircuitBreaker *CircuitBreaker      // nil: none
	Adaptive       *AdaptiveConcurrency // nil: none
}

// RateLimit bounds the requests of an http upstream by a token bucket.
type RateLimit struct {
	RequestsPerSecond float64
	Burst             int // that may come at once
}

// CircuitBreaker refuses requests of an http upstream where too many fail.
type CircuitBreaker struct {
	FailurePercent int           // of the requests in Window, from which on they are refused
	Window         time.Duration // over which they are counted
	MinRequests    int           // in Window, below which none are refused
	OpenTime       time.Duration // until some are tried
	TrialRequests  int           // that have to succeed then
}

// AdaptiveConcurrency bounds the requests in flight of an http upstream by
// their latency.
type AdaptiveConcurrency struct {
	Min       int
	Max       int
	Tolerance float64 // times the latency without load that is allowed
}
