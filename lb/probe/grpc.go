package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// GRPC probes with grpc.health.v1.Health/Check over HTTP/2. The zero value asks
// about the server as a whole, in the clear.
//
// The two messages of that call are a string and an enum, so they are put
// together here by hand rather than bring a gRPC library into this package.
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
type GRPC struct {
	Service string      // the service asked about; "" means the whole server
	TLS     *tls.Config // nil: in the clear, unless Handshake is there

	Handshake Handshake // in place of TLS; nil: none
}

// RPCError is a gRPC status other than OK.
type RPCError struct {
	Code    string // its number
	Message string
}

func (e *RPCError) Error() string { return "grpc-status " + e.Code + " " + e.Message }

// Probe makes one Check call over a connection of its own. The output is the
// serving status, "" where there was none.
func (p GRPC) Probe(ctx context.Context, target health.Target) (string, error) {
	transport := &http.Transport{
		Protocols:       new(http.Protocols),
		TLSClientConfig: p.TLS,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, target.Address, "", nil)
		},
	}
	defer transport.CloseIdleConnections()
	scheme := "http"
	if p.Handshake != nil {
		transport.DialTLSContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, target.Address, "h2", p.Handshake)
		}
	}
	if p.TLS != nil || p.Handshake != nil {
		scheme = "https"
		transport.Protocols.SetHTTP2(true)
	} else {
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		scheme+"://"+authority(target.Address)+"/grpc.health.v1.Health/Check", bytes.NewReader(checkRequest(p.Service)))
	if err != nil {
		return "", fmt.Errorf("probe of %s: %w", target.Address, err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", "outrigger-health")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not a gRPC answer: %s", resp.Status)
	}
	if status := either(resp.Trailer.Get("Grpc-Status"), resp.Header.Get("Grpc-Status")); status != "0" {
		message := either(resp.Trailer.Get("Grpc-Message"), resp.Header.Get("Grpc-Message"))
		if text, err := url.PathUnescape(message); err == nil {
			message = text
		}
		return "", &RPCError{status, message}
	}
	serving, err := servingStatus(body)
	if err != nil {
		return "", err
	}
	if serving != "SERVING" {
		return serving, errors.New("the server says " + serving)
	}
	return serving, nil
}

// checkRequest is HealthCheckRequest{service = 1} in gRPC's framing.
func checkRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(frame, message...)
}

// servingStatus reads HealthCheckResponse{status = 1} from gRPC's framing.
func servingStatus(body []byte) (string, error) {
	if len(body) < 5 || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:5])) != len(body)-5 {
		return "", errors.New("not a gRPC message")
	}
	status := uint64(0)
	for message := body[5:]; len(message) > 0; {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return "", errors.New("malformed health answer")
		}
		message = message[n:]
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return "", errors.New("malformed health answer")
		}
		message = message[n:]
		switch tag & 7 {
		case 0:
			if tag>>3 == 1 {
				status = value
			}
		case 2: // a field from some later version; its length is the value
			if value > uint64(len(message)) {
				return "", errors.New("malformed health answer")
			}
			message = message[value:]
		default:
			return "", errors.New("malformed health answer")
		}
	}
	switch status {
	case 0:
		return "UNKNOWN", nil
	case 1:
		return "SERVING", nil
	case 2:
		return "NOT_SERVING", nil
	case 3:
		return "SERVICE_UNKNOWN", nil
	}
	return fmt.Sprintf("status %d", status), nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
