package http1

import (
	"strconv"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// made are the names of fields that are written from the message itself, or
// belong to a connection. They are not to stand in a header; if one does, it
// does not get out.
func made(key message.Name) bool {
	switch key {
	case message.Connection, message.ContentLength, message.Expect, message.Host, message.HTTP2Settings,
		message.KeepAlive, message.ProxyConnection, message.TransferEncoding, message.Upgrade:
		return true
	}
	return false
}

func appendFields(dst []byte, h *message.Header) []byte {
	for i := range h.Len() {
		if f := h.At(i); !made(f.Key) {
			dst = appendField(dst, f)
		}
	}
	return dst
}

// appendField adds one line, unless it would become two.
func appendField(dst []byte, f *message.Field) []byte {
	if !clean(f.Value) {
		return dst
	}
	if f.Key != message.Other {
		dst = append(dst, f.Key.String()...)
	} else {
		if !all(f.Name, token) || made(message.NameOf(f.Name)) {
			return dst
		}
		dst = append(dst, f.Name...)
	}
	dst = append(dst, ": "...)
	dst = append(dst, f.Value...)
	return append(dst, crlf...)
}

// AppendChunkHead adds what stands before n bytes of data in a chunk; ChunkEnd
// follows them. n is positive: a chunk of none would end the body, and adds
// nothing.
func AppendChunkHead(dst []byte, n int) []byte {
	if n <= 0 {
		return dst
	}
	dst = strconv.AppendInt(dst, int64(n), 16)
	return append(dst, crlf...)
}

// ChunkEnd follows the data of a chunk.
const ChunkEnd = crlf

// AppendLastChunk adds the end of a body in chunks with its trailers; nil for
// none. Fields that mean nothing there are left out.
func AppendLastChunk(dst []byte, trailer *message.Header) []byte {
	dst = append(dst, "0\r\n"...)
	if trailer != nil {
		for i := range trailer.Len() {
			if f := trailer.At(i); f.Trails() {
				dst = appendField(dst, f)
			}
		}
	}
	return append(dst, crlf...)
}
