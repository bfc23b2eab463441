package catalog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/outrigger-sidecar/outrigger/lb/health"
	netprobe "github.com/outrigger-sidecar/outrigger/lb/probe"
)

// grpcProbe asks grpc.health.v1.Health/Check; its outputs read like those of
// Consul's gRPC client.
func grpcProbe(d *checkDefinition) probe {
	address, service, _ := strings.Cut(d.GRPC, "/")
	var tlsConfig *tls.Config
	if d.GRPCUseTLS {
		tlsConfig = d.tlsConfig()
	}
	prober := netprobe.GRPC{Service: service, TLS: tlsConfig}
	return func(ctx context.Context) (status, output string) {
		ctx, cancel := context.WithTimeout(ctx, d.timeout())
		defer cancel()
		serving, err := prober.Probe(ctx, health.Target{Address: address})
		switch {
		case err == nil:
			return passing, fmt.Sprintf("gRPC check %s: success", d.GRPC)
		case serving != "":
			return critical, fmt.Sprintf("gRPC %s serving status: %s", d.GRPC, serving)
		}
		return critical, rpcError(err)
	}
}

func rpcError(err error) string {
	if rpc, ok := errors.AsType[*netprobe.RPCError](err); ok {
		return fmt.Sprintf("rpc error: code = %s desc = %s", codeName(rpc.Code), rpc.Message)
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		err = fmt.Errorf("transport: Error while dialing: %w", err)
	}
	return fmt.Sprintf("rpc error: code = Unavailable desc = connection error: desc = %q", err.Error())
}

// codeName names the codes of gRPC; a code it does not know stays a number.
func codeName(code string) string {
	names := []string{
		"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
		"PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented",
		"Internal", "Unavailable", "DataLoss", "Unauthenticated",
	}
	for i, name := range names {
		if fmt.Sprint(i) == code {
			return name
		}
	}
	return fmt.Sprintf("Code(%s)", code)
}
