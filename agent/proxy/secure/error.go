package secure

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Reason is a kind of failed handshake, as RFC 9209 tells them apart.
type Reason int

// The reasons there are.
const (
	Protocol    Reason = iota // the backend does not speak TLS as we do, or not at all
	Certificate               // its certificate does not prove what it has to
	Alert                     // it has rejected the handshake
)

// Error is a handshake that failed. Its text says with whom, why, and what may
// be done.
type Error struct {
	Reason  Reason
	Address string
	text    string
	err     error
}

func (e *Error) Error() string { return "handshake with " + e.Address + ": " + e.text }

// Unwrap is what package tls or x509 said, nil for nothing.
func (e *Error) Unwrap() error { return e.err }

func (h *handshake) fault(r Reason, err error, format string, args ...any) *Error {
	return &Error{Reason: r, Address: h.address, text: fmt.Sprintf(format, args...), err: err}
}

const (
	adviseHTTP2 = `write backend_protocol = "http1" if it has only that`
	adviseHTTP1 = `write backend_protocol = "h2" if it has only that`
)

// explain says what an error of package tls means here.
func (h *handshake) explain(err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return h.fault(Protocol, err, "what it answers is not TLS; use its port for TLS, or remove the tls block")
	}
	if alert, ok := alertOf(err); ok {
		return h.rejected(alert, err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return h.fault(Protocol, err, "it closed the connection within the handshake; see whether it speaks TLS there")
	}
	return h.fault(Protocol, err, "the handshake failed: %v", err)
}

// The alerts that something can be said about (RFC 8446 section 6).
const (
	handshakeFailure      tls.AlertError = 40
	badCertificate        tls.AlertError = 42
	unsupportedCert       tls.AlertError = 43
	certificateRevoked    tls.AlertError = 44
	certificateExpired    tls.AlertError = 45
	certificateUnknown    tls.AlertError = 46
	unknownCA             tls.AlertError = 48
	accessDenied          tls.AlertError = 49
	decryptError          tls.AlertError = 51
	protocolVersion       tls.AlertError = 70
	unrecognizedName      tls.AlertError = 112
	certificateRequired   tls.AlertError = 116
	noApplicationProtocol tls.AlertError = 120
)

// alertOf is the alert by which a peer ended a connection. Package tls does not
// give away its number, only its text, which is that of the AlertError.
func alertOf(err error) (tls.AlertError, bool) {
	remote, ok := errors.AsType[*net.OpError](err)
	if !ok || remote.Op != "remote error" || remote.Err == nil {
		return 0, false
	}
	text := remote.Err.Error()
	for a := range 256 {
		if alert := tls.AlertError(a); alert.Error() == text {
			return alert, true
		}
	}
	return 0, false
}

// aboutCertificates tells whether an alert is about the one that we show, or do
// not.
func aboutCertificates(a tls.AlertError) bool {
	switch a {
	case badCertificate, unsupportedCert, certificateRevoked, certificateExpired, certificateUnknown,
		unknownCA, accessDenied, decryptError, certificateRequired:
		return true
	}
	return false
}

// rejected says what an alert means, and what may be done.
func (h *handshake) rejected(alert tls.AlertError, err error) *Error {
	said := fmt.Sprintf("it has rejected the handshake (%v): ", alert)
	switch own := h.material.certificate; {
	case h.asked && own == nil && (aboutCertificates(alert) || alert == handshakeFailure):
		said += "it wants a certificate of this agent; write cert_file and key_file"
	case h.asked && own != nil && time.Now().After(own.Leaf.NotAfter):
		said += fmt.Sprintf("the certificate in cert_file %q expired at %s", h.client.config.CertFile, date(own.Leaf.NotAfter))
	case h.asked && own != nil && aboutCertificates(alert):
		said += fmt.Sprintf("it does not accept the certificate in cert_file %q, which was issued by %q", h.client.config.CertFile, own.Leaf.Issuer)
	case alert == protocolVersion:
		said += fmt.Sprintf("it does not speak %s or later", tls.VersionName(max(h.client.config.MinVersion, tls.VersionTLS12)))
	case alert == noApplicationProtocol && h.protocol == HTTP2:
		said += "it does not speak HTTP/2; " + adviseHTTP2
	case alert == noApplicationProtocol && h.protocol == HTTP1:
		said += "it does not speak HTTP/1.1; " + adviseHTTP1
	case alert == unrecognizedName:
		said += fmt.Sprintf("it knows no server %q; write another server_name", h.name)
	default:
		said += "its own log may say why"
	}
	return h.fault(Alert, err, "%s", said)
}
