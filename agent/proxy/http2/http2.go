// Package http2 speaks HTTP/2 (RFC 9113) to apps and to backends, for a relay:
// heads are in the form of package message, bodies are pieces of bytes, and
// what lies between two connections is the caller's. It is made for many
// streams at little cost. One goroutine reads a connection and hands on what
// it finds, all that came in one read at a time; what the streams write is
// gathered and leaves in as few writes as there can be.
//
// It runs over any net.Conn, in the clear by prior knowledge or over TLS that
// agreed on h2. Pushes and priorities, which nobody misses, are left out, as
// is the extended CONNECT.
package http2

import (
	"errors"
	"fmt"
)

// Preface is what a client's connection begins with.
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Code says why a stream or a connection ends (RFC 9113 section 7).
type Code uint32

// The codes there are.
const (
	NoError Code = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
	"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
	"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// String is the code as the RFC writes it.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint32(c))
}

// Error is a fault in how a peer speaks HTTP/2, found by us.
type Error struct {
	Code   Code
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("http2: %s: %s", e.Code, e.Reason) }

func fault(code Code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// ResetError says that the peer broke a stream off.
type ResetError struct{ Code Code }

func (e *ResetError) Error() string { return "http2: the peer reset the stream: " + e.Code.String() }

// What calls fail with, besides Error, ResetError and the errors of the
// connection.
var (
	// ErrFull says that the peer takes no more streams on a connection for now.
	ErrFull = errors.New("http2: the connection carries as many streams as it may")
	// ErrClosed says that a connection has ended, or takes no new streams.
	ErrClosed = errors.New("http2: the connection is closed")
	// ErrInterrupted says that it was the caller who ended the call.
	ErrInterrupted = errors.New("http2: interrupted")
	// ErrUnprocessed says that the peer goes away and has not looked at the
	// stream.
	ErrUnprocessed = errors.New("http2: the peer went away before it looked at the stream")
)
