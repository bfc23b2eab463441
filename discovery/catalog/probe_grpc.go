package catalog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// grpcProbe asks grpc.health.v1.Health/Check over HTTP/2. The two messages are
// so small that they are made and read by hand: a request holds the service's
// name in field 1, a response the status in field 1.
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
func grpcProbe(d *checkDefinition) probe {
	address, service, _ := strings.Cut(d.GRPC, "/")
	scheme := "http"
	var protocols http.Protocols
	if d.GRPCUseTLS {
		scheme = "https"
		protocols.SetHTTP2(true)
	} else {
		protocols.SetUnencryptedHTTP2(true)
	}
	transport := &http.Transport{TLSClientConfig: d.tlsConfig(), Protocols: &protocols, DisableKeepAlives: true}
	target := (&url.URL{Scheme: scheme, Host: address, Path: "/grpc.health.v1.Health/Check"}).String()
	return func(ctx context.Context) (status, output string) {
		ctx, cancel := context.WithTimeout(ctx, d.timeout())
		defer cancel()
		serving, err := askHealth(ctx, transport, target, service)
		switch {
		case err != nil:
			return critical, err.Error()
		case serving != "SERVING":
			return critical, fmt.Sprintf("gRPC %s serving status: %s", d.GRPC, serving)
		}
		return passing, fmt.Sprintf("gRPC check %s: success", d.GRPC)
	}
}

// maxHealthMessage is far above the few bytes of a health response.
const maxHealthMessage = 1 << 10

// askHealth makes the call; its errors read like those of Consul's gRPC client.
func askHealth(ctx context.Context, transport *http.Transport, target, service string) (serving string, err error) {
	unavailable := func(err error) error {
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
			err = fmt.Errorf("transport: Error while dialing: %w", err)
		}
		return fmt.Errorf("rpc error: code = Unavailable desc = connection error: desc = %q", err.Error())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(healthRequest(service)))
	if err != nil {
		return "", unavailable(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", "Consul Health Check")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", unavailable(err)
	}
	defer transport.CloseIdleConnections()
	defer resp.Body.Close()
	message, err := io.ReadAll(io.LimitReader(resp.Body, maxHealthMessage))
	if err != nil {
		return "", unavailable(err)
	}
	if resp.StatusCode != http.StatusOK {
		return "", unavailable(fmt.Errorf("unexpected HTTP status: %s", resp.Status))
	}
	code, text := resp.Trailer.Get("Grpc-Status"), resp.Trailer.Get("Grpc-Message")
	if code == "" { // a response without a message has its trailers in front
		code, text = resp.Header.Get("Grpc-Status"), resp.Header.Get("Grpc-Message")
	}
	if code != "0" {
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
		return "", fmt.Errorf("rpc error: code = %s desc = %s", codeName(code), text)
	}
	return servingStatus(message)
}

// healthRequest frames a request: no compression, length, field 1 if not empty.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(frame, message...)
}

// servingStatus reads the framed response; without field 1 it is UNKNOWN.
func servingStatus(frame []byte) (string, error) {
	bad := func(reason string) (string, error) {
		return "", fmt.Errorf("rpc error: code = Internal desc = health response: %s", reason)
	}
	if len(frame) < 5 || frame[0] != 0 {
		return bad("no uncompressed message")
	}
	size := binary.BigEndian.Uint32(frame[1:5])
	message := frame[5:]
	if uint64(size) > uint64(len(message)) {
		return bad("message cut short")
	}
	message = message[:size]
	status := uint64(0)
	for len(message) > 0 {
		if message[0] != 1<<3|0 {
			break // a field of a later version of the protocol
		}
		value, n := binary.Uvarint(message[1:])
		if n <= 0 {
			return bad("bad varint")
		}
		status, message = value, message[1+n:]
	}
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status >= uint64(len(names)) {
		return fmt.Sprint(status), nil
	}
	return names[status], nil
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
