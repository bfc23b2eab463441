package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// scope names this instrumentation in what is exported.
const scope = "github.com/outrigger-sidecar/outrigger/telemetry"

// Attributes of our own that resources and spans carry.
const (
	keyApp         = attribute.Key("outrigger.app.name")
	keyDatacenter  = attribute.Key("consul.datacenter")
	keyAttempts    = attribute.Key("outrigger.attempts")
	keyOutcome     = attribute.Key("outrigger.outcome")
	keyStrategy    = attribute.Key("outrigger.strategy")
	keyRetryReason = attribute.Key("outrigger.retry.reason")
	keyCandidates  = attribute.Key("outrigger.candidates")    // backends that could be picked
	keyEjected     = attribute.Key("outrigger.ejected")       // backends that were ejected
	keyCatalogAge  = attribute.Key("outrigger.catalog.age")   // in seconds
	keyUpstream    = attribute.Key("outrigger.upstream.name") // on metrics too
	keyBackend     = attribute.Key("outrigger.backend.id")    // on metrics too
	keyZone        = attribute.Key("outrigger.backend.zone")  // on metrics too
)

// Attributes of our own events.
const (
	keyBackendState  = attribute.Key("outrigger.backend.state")
	keyBackendBefore = attribute.Key("outrigger.backend.previous_state")
	keyRule          = attribute.Key("outrigger.rule")
	keyReason        = attribute.Key("outrigger.reason")
	keyState         = attribute.Key("outrigger.state")
	keyUsable        = attribute.Key("outrigger.backend.usable")
	keyBackends      = attribute.Key("outrigger.backend.count")
	keyUpstreams     = attribute.Key("outrigger.upstream.count")
	keyIndex         = attribute.Key("outrigger.discovery.index")
	keyAge           = attribute.Key("outrigger.discovery.age")
	keyMissing       = attribute.Key("outrigger.discovery.missing")
	keyService       = attribute.Key("outrigger.discovery.service") // on metrics too
	keyInstance      = attribute.Key("outrigger.registration.id")
	keyErrorMessage  = attribute.Key("outrigger.error.message")
)

// Attributes of our own metrics.
const (
	labelState    = attribute.Key("state")
	labelOutcome  = attribute.Key("outcome")
	labelResult   = attribute.Key("result")
	labelReason   = attribute.Key("reason")
	labelStrategy = attribute.Key("strategy")
	labelType     = attribute.Key("type")
	labelAgreed   = attribute.Key("agreed")
	labelSignal   = attribute.Key("signal")
	labelVersion  = attribute.Key("version")
	labelRevision = attribute.Key("revision")
	labelGo       = attribute.Key("go.version")

	// keyOverflow marks the sum of what found no place in a bounded set, as
	// the SDK does.
	keyOverflow = attribute.Key("otel.metric.overflow")
)

// keyGRPCStatus was renamed to rpc.status_code after version 1.44 of the
// conventions.
const keyGRPCStatus = semconv.RPCResponseStatusCodeKey

// other stands for a value that is not told, so that there is no end to the
// values there can be neither.
const other = "_OTHER"

// otherBackends is the backend that sums those beyond Metrics.BackendLimit.
const otherBackends = "_other"

// The names of the instruments.
const (
	httpServerDuration     = "http.server.request.duration"
	httpServerActive       = "http.server.active_requests"
	httpClientDuration     = "http.client.request.duration"
	httpClientActive       = "http.client.active_requests"
	httpClientConnections  = "http.client.open_connections"
	httpServerRequestSize  = "http.server.request.body.size"
	httpServerResponseSize = "http.server.response.body.size"
	httpClientRequestSize  = "http.client.request.body.size"
	httpClientResponseSize = "http.client.response.body.size"
	overheadDuration       = "outrigger.overhead.duration"
	tcpActive              = "outrigger.tcp.connection.active"
	tcpConnections         = "outrigger.tcp.connections"
	tcpIO                  = "outrigger.tcp.io"
	backendCount           = "outrigger.backend.count"
	backendRequests        = "outrigger.backend.requests"
	backendRequestTime     = "outrigger.backend.request.time"
	backendActive          = "outrigger.backend.active_requests"
	backendWeight          = "outrigger.backend.weight"
	backendShare           = "outrigger.backend.share"
	backendLatency         = "outrigger.backend.latency.ewma"
	backendShadowRequests  = "outrigger.backend.shadow.requests"
	backendChanges         = "outrigger.backend.state_changes"
	panicChanges           = "outrigger.panic.state_changes"
	picks                  = "outrigger.picks"
	shadowPicks            = "outrigger.shadow.picks"
	shadowImbalance        = "outrigger.shadow.imbalance"
	queueWaiting           = "outrigger.queue.waiting"
	queueRequests          = "outrigger.queue.requests"
	queueWaitDuration      = "outrigger.queue.wait.duration"
	retries                = "outrigger.retries"
	retryDenials           = "outrigger.retry.denials"
	hedges                 = "outrigger.hedges"
	appConnections         = "outrigger.connection.active"
	connectionWaits        = "outrigger.connection.waits"
	concurrencyLimit       = "outrigger.concurrency.limit"
	rejections             = "outrigger.rejections"
	circuitState           = "outrigger.circuit.state"
	circuitRejections      = "outrigger.circuit.rejections"
	circuitChanges         = "outrigger.circuit.state_changes"
	descriptorWaits        = "outrigger.descriptor.waits"
	descriptorRefusals     = "outrigger.descriptor.refusals"
	ejections              = "outrigger.ejections"
	healthCheckDuration    = "outrigger.health_check.duration"
	healthCheckLate        = "outrigger.health_check.late"
	healthCheckSkipped     = "outrigger.health_check.skipped"
	discoveryIndex         = "outrigger.discovery.index"
	discoveryStaleness     = "outrigger.discovery.staleness"
	discoveryUpdates       = "outrigger.discovery.updates"
	discoveryErrors        = "outrigger.discovery.errors"
	discoverySuspicions    = "outrigger.discovery.suspicions"
	discoveryMissing       = "outrigger.discovery.missing"
	discoveryResets        = "outrigger.discovery.index.resets"
	discoveryFreshness     = "outrigger.discovery.freshness.changes"
	discoveryChanges       = "outrigger.discovery.changes"
	discoveryHolds         = "outrigger.discovery.hold.changes"
	discoveryWatches       = "outrigger.discovery.state_changes"
	discoveryWatchAge      = "outrigger.discovery.watch.staleness"
	discoveryPropagation   = "outrigger.discovery.propagation.duration"
	registrationChanges    = "outrigger.registration.state_changes"
	configReloads          = "outrigger.config.reloads"
	configLastSuccess      = "outrigger.config.last_success.time"
	accessLogLines         = "outrigger.access_log.lines"
	telemetrySpans         = "outrigger.telemetry.spans"
	telemetryRecords       = "outrigger.telemetry.log_records"
	telemetryErrors        = "outrigger.telemetry.errors"
	buildInfo              = "outrigger.build.info"
)

// Units that several instruments share.
const (
	unitSeconds     = "s"
	unitBytes       = "By"
	unitRequests    = "{request}"
	unitConnections = "{connection}"
	unitChanges     = "{change}"
	unitShare       = "{share}"     // 0 to 1
	unitImbalance   = "{imbalance}" // from 1, which is even
)

// Values of attributes.
const (
	outcomeOK        = "ok"
	outcomeFailed    = "failed"
	outcomeCancelled = "client_cancelled"

	reasonBudget        = "budget"
	reasonHedge         = "hedge" // the proxy's word for an attempt beside one that takes long
	reasonFailuresInRow = "consecutive_failures"
	reasonFlapping      = "flapping"
)
