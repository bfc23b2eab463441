package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Kind is what an instrument does with its measurements.
type Kind string

// The kinds of instruments. All but histograms are read at collection.
const (
	Histogram     Kind = "histogram"
	Counter       Kind = "counter"
	UpDownCounter Kind = "updowncounter"
	Gauge         Kind = "gauge"
)

// Instrument describes one metric.
type Instrument struct {
	Name        string
	Kind        Kind
	Unit        string // UCUM; durations are in "s"
	Description string
	Attributes  []attribute.Key // all that its series may carry
	Buckets     []float64       // upper bounds, of a histogram
}

// whole tells that its measurements are whole numbers.
func (i Instrument) whole() bool {
	switch i.Unit {
	case unitSeconds, unitShare, unitImbalance:
		return false
	}
	return true
}

// instrument is the one of a name.
func instrument(name string) Instrument {
	all := Instruments()
	return all[slices.IndexFunc(all, func(i Instrument) bool { return i.Name == name })]
}

// Instruments lists every metric that the agent emits itself, in the order of
// their names' families. Those of the Go runtime (go.*) come on top of it.
func Instruments() []Instrument {
	// Of semconv for HTTP, and a finer one for what happens inside.
	coarse := []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	sizes := []float64{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20}
	fine := []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1}

	keys := func(k ...attribute.Key) []attribute.Key { return k }
	backend := keys(keyUpstream, keyBackend, keyZone)
	serving := keys(keyUpstream, semconv.HTTPRequestMethodKey, semconv.URLSchemeKey, semconv.HTTPResponseStatusCodeKey,
		semconv.NetworkProtocolVersionKey, semconv.ErrorTypeKey, keyOverflow)
	sending := keys(keyUpstream, semconv.HTTPRequestMethodKey, semconv.ServerAddressKey, semconv.HTTPResponseStatusCodeKey,
		semconv.NetworkProtocolVersionKey, semconv.ErrorTypeKey, keyOverflow)
	return []Instrument{
		{httpServerDuration, Histogram, unitSeconds, "Duration of requests from the app, retries included.", serving, coarse},
		{httpServerRequestSize, Histogram, unitBytes, "Size of the bodies of requests from the app, as far as they came; with metrics.body_size alone.", serving, sizes},
		{httpServerResponseSize, Histogram, unitBytes, "Size of the bodies of answers, as far as the app was sent them; with metrics.body_size alone.", serving, sizes},
		{httpServerActive, UpDownCounter, unitRequests, "Requests from the app under way.",
			keys(keyUpstream, semconv.HTTPRequestMethodKey, semconv.URLSchemeKey), nil},
		{httpClientDuration, Histogram, unitSeconds, "Duration of attempts at backends.", sending, coarse},
		{httpClientRequestSize, Histogram, unitBytes, "Size of the bodies that there were to send to backends in attempts; with metrics.body_size alone.", sending, sizes},
		{httpClientResponseSize, Histogram, unitBytes, "Size of the bodies that came from backends in attempts; with metrics.body_size alone.", sending, sizes},
		{httpClientActive, UpDownCounter, unitRequests, "Attempts at backends under way.",
			keys(keyUpstream, semconv.HTTPRequestMethodKey, semconv.ServerAddressKey), nil},
		{httpClientConnections, UpDownCounter, unitConnections, "Open connections to backends; at most as many count as active as there are attempts.",
			keys(keyUpstream, semconv.HTTPConnectionStateKey, semconv.ServerAddressKey), nil},

		{overheadDuration, Histogram, unitSeconds, "What the agent itself added to requests from the app: neither waiting for a place nor at a backend.", keys(keyUpstream), fine},
		{tcpActive, UpDownCounter, unitConnections, "TCP connections from the app under way.", keys(keyUpstream), nil},
		{tcpConnections, Counter, unitConnections, "TCP connections from the app that ended.", keys(keyUpstream, semconv.ErrorTypeKey), nil},
		{tcpIO, Counter, unitBytes, "Bytes carried over TCP; transmit is from the app to backends.",
			keys(keyUpstream, semconv.NetworkIODirectionKey), nil},

		{backendCount, UpDownCounter, "{backend}", "Backends by state, with those removed not long ago.", keys(keyUpstream, keyZone, labelState), nil},
		{backendRequests, Counter, unitRequests, "Requests or connections that a backend was given and that ended.",
			append(backend[:3:3], labelOutcome), nil},
		{backendRequestTime, Counter, unitSeconds, "Sum of a backend's response times.", backend, nil},
		{backendActive, UpDownCounter, unitRequests, "Requests or connections that a backend has.", backend, nil},
		{backendWeight, Gauge, "{weight}", "A backend's weight in force; 0 when it is out.", backend, nil},
		{backendShare, Gauge, unitShare, "The part of all requests that a backend should get by priorities, zones and weights alone.", backend, nil},
		{backendLatency, Gauge, unitSeconds, "A backend's smoothed response time.", backend, nil},
		{backendShadowRequests, Counter, unitRequests, "Requests or connections that the shadow strategy would have given a backend.", backend, nil},

		{backendChanges, Counter, unitChanges, "Changes of a backend's state, by what it became; removed is the end of it.", keys(keyUpstream, labelState), nil},
		{panicChanges, Counter, unitChanges, "Times that too few backends were up, and that enough were again.", keys(keyUpstream, labelState), nil},

		{picks, Counter, "{pick}", "Choices of a backend: ok; panic, where others were used too since too few are up; cross_zone, outside the own zone that is preferred; or none, as there was nobody.", keys(keyUpstream, labelStrategy, labelResult), nil},
		{shadowPicks, Counter, "{pick}", "Choices of the shadow strategy, by whether it agreed with the one in force; none is where every backend was full by its count.",
			keys(keyUpstream, labelStrategy, labelAgreed), nil},
		{shadowImbalance, Gauge, unitImbalance, "How many times its planned share the backend has that has most of it in the last minute, of picks or of load, by strategy.",
			keys(keyUpstream, labelStrategy, labelType), nil},
		{queueWaiting, UpDownCounter, unitRequests, "Requests or connections that wait for a place at a backend.", keys(keyUpstream), nil},
		{queueRequests, Counter, unitRequests, "Requests or connections that wanted to wait for a place at a backend, by what became of them.",
			keys(keyUpstream, labelResult), nil},
		{queueWaitDuration, Histogram, unitSeconds, "How long requests or connections waited for a place at a backend, of those that did, in vain or not.", keys(keyUpstream), fine},
		{retries, Counter, "{retry}", "Further attempts after a failed one.", keys(keyUpstream, labelReason), nil},
		{retryDenials, Counter, "{retry}", "Retries that were not allowed.", keys(keyUpstream, labelReason), nil},
		{hedges, Counter, "{hedge}", "Requests that were sent to a second backend too: begun, and won by it.", keys(keyUpstream, labelResult), nil},
		{appConnections, UpDownCounter, unitConnections, "Open connections from the app.", keys(keyUpstream), nil},
		{connectionWaits, Counter, unitConnections, "Connections from the app that had to wait to be accepted, since there were as many as there may be.", keys(keyUpstream), nil},
		{rejections, Counter, unitRequests, "Requests that were not taken on, by what forbade it; the circuit breaker's and the queue's are counted apart.",
			keys(keyUpstream, labelReason), nil},
		{concurrencyLimit, Gauge, unitRequests, "Requests that may be in flight by adaptive concurrency.", keys(keyUpstream), nil},
		{circuitState, UpDownCounter, "{circuit}", "1 for the state that a circuit breaker is in, 0 for the others.", keys(keyUpstream, labelState), nil},
		{circuitRejections, Counter, unitRequests, "Requests that a circuit breaker did not let pass.", keys(keyUpstream), nil},
		{circuitChanges, Counter, unitChanges, "Changes of a circuit breaker's state, by what it became.", keys(keyUpstream, labelState), nil},
		{descriptorWaits, Counter, unitConnections, "Times that connections from apps had to wait to be accepted, since too few file descriptors were left.", nil, nil},
		{descriptorRefusals, Counter, unitConnections, "Connections to backends that were given up since they took a file descriptor of the reserve.", nil, nil},
		{ejections, Counter, "{ejection}", "Backends taken out for a while, because of failed requests or of flapping.", keys(keyUpstream, labelReason), nil},
		{healthCheckDuration, Histogram, unitSeconds, "Duration of probes; one that several upstreams share is each one's.", keys(keyUpstream, labelType, labelResult), coarse},
		{healthCheckLate, Gauge, unitSeconds, "How late probes begin for want of budget, smoothed: by so much every interval is longer.", nil, nil},
		{healthCheckSkipped, Counter, "{probe}", "Probes not made since requests had proved the same.", nil, nil},

		{discoveryIndex, Gauge, "{index}", "The catalog's index of the last answer.", keys(keyUpstream), nil},
		{discoveryStaleness, Gauge, unitSeconds, "Time since the catalog's last good answer.", keys(keyUpstream), nil},
		{discoveryWatchAge, Gauge, unitSeconds, "Time since the last good answer about each service that an upstream looks for, or since the first failure.",
			keys(keyUpstream, keyService), nil},
		{discoveryUpdates, Counter, "{update}", "Answers of the catalog.", keys(keyUpstream, labelResult), nil},
		{discoveryErrors, Counter, "{error}", "Failed queries of the catalog.", keys(keyUpstream, semconv.ErrorTypeKey), nil},
		{discoverySuspicions, Counter, "{suspicion}", "Answers of the catalog that were not believed at once: begun, and confirmed or rejected in the end.", keys(keyUpstream, labelResult), nil},
		{discoveryMissing, UpDownCounter, "{backend}", "Backends that are kept though the catalog's last answer lacks them.", keys(keyUpstream), nil},
		{discoveryResets, Counter, "{reset}", "Times that the catalog's index fell.", keys(keyUpstream), nil},
		{discoveryFreshness, Counter, unitChanges, "Times that the catalog's word became fresh, stale or expired.", keys(keyUpstream, labelState), nil},
		{discoveryChanges, Counter, unitChanges, "Times that other backends than before were put in force.", keys(keyUpstream), nil},
		{discoveryHolds, Counter, unitChanges, "Times that backends were held though the catalog had none, and that they were let go.", keys(keyUpstream, labelState), nil},
		{discoveryWatches, Counter, unitChanges, "Changes of how a watch on the catalog is doing, which upstreams may share, by what it became.", keys(keyService, labelState), nil},
		{discoveryPropagation, Histogram, unitSeconds, "From the catalog's answer to the pool in force.", keys(keyUpstream), fine},

		{registrationChanges, Counter, unitChanges, "Changes of the registration of the app, by what became of it.", keys(labelState), nil},
		{configReloads, Counter, "{reload}", "Times that the configuration was read again.", keys(labelResult), nil},
		{configLastSuccess, Gauge, unitSeconds, "Unix time at which the configuration in force was taken.", nil, nil},
		{accessLogLines, Counter, "{line}", "Lines of the access log by what became of them; dropped are those that too many waited before.", keys(labelResult), nil},
		{telemetrySpans, Counter, "{span}", "Spans by what became of them, for each exporter; ended less dropped, exported and failed are waiting.",
			keys(labelResult), nil},
		{telemetryRecords, Counter, "{record}", "Log records, of which events are some, by what became of them, for each exporter; emitted less dropped, exported and failed are waiting.",
			keys(labelResult), nil},
		{telemetryErrors, Counter, "{error}", "Failed exports.", keys(labelSignal), nil},
		{buildInfo, Gauge, "{info}", "1, with what this build is.", keys(labelVersion, labelRevision, labelGo), nil},
	}
}
