package telemetry

import (
	"slices"
	"strconv"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
)

// failure is an error.type in a small number: 0 for none.
type failure uint8

const (
	noFailure   failure = 0
	byStatus    failure = 1 // the HTTP status is the type
	unknownKind failure = 2
	firstKind   failure = 3 // then the proxy's kinds, then gRPC's statuses
)

// grpcStatuses are the names of gRPC's status codes.
var grpcStatuses = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// faultOfServer tells whether a gRPC status is an error of the server's, by
// the conventions for gRPC: the others are the caller's own.
func faultOfServer(code int) bool {
	switch code {
	case 2, 4, 12, 13, 14, 15: // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
		return true
	}
	return code >= len(grpcStatuses)
}

// kinds are the proxy's own failures.
var kinds = proxy.Kinds()

// reason is the proxy's own failure as its place in kinds; -1 for one that is
// not there.
func reason(kind string) int { return slices.Index(kinds, proxy.Kind(kind)) }

// errorType is the text of a failure, with the status it may be.
func (f failure) errorType(status int) string {
	switch k := int(f) - int(firstKind); {
	case f == noFailure:
		return ""
	case f == byStatus:
		return strconv.Itoa(status)
	case f == unknownKind:
		return other
	case k < len(kinds):
		return string(kinds[k])
	case k-len(kinds) < len(grpcStatuses):
		return grpcStatuses[k-len(kinds)]
	}
	return other
}

func ofKind(kind string) failure {
	if i := reason(kind); i >= 0 {
		return firstKind + failure(i)
	}
	return unknownKind
}

func ofGRPC(code int) failure {
	if code >= len(grpcStatuses) {
		return unknownKind
	}
	return firstKind + failure(len(kinds)+code)
}

// ofExchange judges a whole request as its server does: what the client did
// wrong, and what it gave up itself, is no failure.
func ofExchange(r proxy.Result) failure {
	switch {
	case r.Cancelled:
		return noFailure
	case r.Error == string(proxy.BadRequest) && r.Status < 500 && r.GRPC < 0:
		return noFailure
	case r.Error != "":
		return ofKind(r.Error)
	case r.GRPC >= 0 && faultOfServer(r.GRPC):
		return ofGRPC(r.GRPC)
	case r.Status >= 500:
		return byStatus
	}
	return noFailure
}

// Outcome is what became of a request, in the word that its span has for it:
// ok, failed or client_cancelled.
func Outcome(r proxy.Result) string { return outcomeOf(r, ofExchange(r)) }

func outcomeOf(r proxy.Result, f failure) string {
	switch {
	case r.Cancelled:
		return outcomeCancelled
	case f != noFailure:
		return outcomeFailed
	}
	return outcomeOK
}

// ofAttempt judges one try as its client does: all that is no success fails.
func ofAttempt(r proxy.Result) failure {
	switch {
	case r.Cancelled:
		return noFailure
	case r.Error != "":
		return ofKind(r.Error)
	case r.GRPC > 0:
		return ofGRPC(r.GRPC)
	case r.Status >= 400:
		return byStatus
	}
	return noFailure
}

// grpcStatus is the name of a gRPC status code, its number where it has none.
func grpcStatus(code int) string {
	if code < len(grpcStatuses) {
		return grpcStatuses[code]
	}
	return strconv.Itoa(code)
}
