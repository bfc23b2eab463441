package http2

import (
	"encoding/binary"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// frame deals with one. An error ends the connection; what concerns a stream
// alone ends that.
func (c *conn) frame(f *frame) error {
	if b := &c.block; b.open && (f.kind != kindContinuation || f.stream != b.id) {
		return fault(ProtocolError, "a head was not gone on with")
	}
	if !c.met {
		if f.kind != kindSettings || f.has(flagAck) {
			return fault(ProtocolError, "the first frame is no SETTINGS")
		}
		c.met = true
	}
	switch f.kind {
	case kindData:
		return c.received(f)
	case kindHeaders:
		return c.headers(f)
	case kindContinuation:
		if !c.block.open {
			return fault(ProtocolError, "CONTINUATION of nothing")
		}
		return c.fragment(f.payload, f.has(flagEndHeaders))
	case kindPriority:
		return c.priority(f)
	case kindReset:
		return c.cutOff(f)
	case kindSettings:
		return c.settings(f)
	case kindPushPromise:
		return fault(ProtocolError, "a push, which nobody asked for")
	case kindPing:
		return c.ping(f)
	case kindGoAway:
		return c.goAway(f)
	case kindWindowUpdate:
		return c.windowUpdate(f)
	}
	return c.unproductive() // of an extension
}

// received deals with DATA.
func (c *conn) received(f *frame) error {
	if f.stream == 0 {
		return fault(ProtocolError, "DATA of no stream")
	}
	size := len(f.payload)
	// This never falls below zero, since it is filled up long before.
	if c.window -= size; c.window < connWindow/2 {
		c.control(appendWindowUpdate(c.out.frames, 0, connWindow-c.window))
		c.window = connWindow
	}
	if err := f.unpad(); err != nil {
		return err
	}
	s := c.streams[f.stream]
	if s == nil {
		return c.late(f)
	}
	last := f.has(flagEndStream)
	if len(f.payload) > 0 || last {
		c.productive()
	} else if err := c.unproductive(); err != nil {
		return err
	}
	switch {
	case s.received:
		c.breakOff(s, fault(StreamClosed, "DATA after the end"))
		return nil
	case s.asked != nil && !s.asked.answered:
		c.breakOff(s, fault(ProtocolError, "DATA before the head"))
		return nil
	}
	if s.window -= size; s.window < 0 {
		c.breakOff(s, fault(FlowControlError, "more DATA than the window"))
		return nil
	}
	s.owed += size - len(f.payload)
	if s.left != message.Unknown {
		s.left -= int64(len(f.payload))
		if s.left < 0 || last && s.left > 0 {
			c.breakOff(s, fault(ProtocolError, "DATA does not come to the declared length"))
			return nil
		}
	}
	s.body.write(f.payload)
	if last {
		s.end()
	}
	c.rouse(s)
	return nil
}

// late deals with a frame of a stream that is not open. One that we cut short
// may still send for a while.
func (c *conn) late(f *frame) error {
	if c.side.unborn(f.stream) {
		return fault(ProtocolError, "a frame of a stream that was never opened")
	}
	if _, cut := c.past.has(f.stream); !cut {
		c.reset(f.stream, StreamClosed)
	}
	return c.unproductive()
}

// breakOff ends a stream for a fault of the peer in it.
func (c *conn) breakOff(s *stream, err *Error) {
	if c.log != nil {
		c.log(err)
	}
	c.reset(s.id, err.Code)
	c.forget(s, true)
	c.lose(s, err)
	c.rouse(s)
}

func (c *conn) priority(f *frame) error {
	switch {
	case f.stream == 0:
		return fault(ProtocolError, "PRIORITY of no stream")
	case len(f.payload) != lengthOfPriority:
		c.faulty(f, fault(FrameSizeError, "PRIORITY of a wrong length"))
	case f.dependsOnItself():
		c.faulty(f, fault(ProtocolError, "a stream that depends on itself"))
	}
	return c.unproductive()
}

// faulty ends the stream that a frame is of, whatever its state.
func (c *conn) faulty(f *frame, err *Error) {
	if s := c.streams[f.stream]; s != nil {
		c.breakOff(s, err)
	} else {
		c.reset(f.stream, err.Code)
	}
}

// cutOff deals with RST_STREAM.
func (c *conn) cutOff(f *frame) error {
	switch {
	case f.stream == 0:
		return fault(ProtocolError, "RST_STREAM of no stream")
	case len(f.payload) != lengthOfReset:
		return fault(FrameSizeError, "RST_STREAM of a wrong length")
	case c.side.unborn(f.stream):
		return fault(ProtocolError, "RST_STREAM of a stream that was never opened")
	}
	s := c.streams[f.stream]
	if s == nil {
		return c.unproductive()
	}
	err := &ResetError{Code(binary.BigEndian.Uint32(f.payload))}
	// An answer that came whole is read all the same (RFC 9113 section 8.1).
	c.lose(s, err)
	c.rouse(s)
	if s.asked != nil {
		return nil
	}
	return c.rapid()
}

func (c *conn) ping(f *frame) error {
	switch {
	case f.stream != 0:
		return fault(ProtocolError, "PING of a stream")
	case len(f.payload) != lengthOfPing:
		return fault(FrameSizeError, "PING of a wrong length")
	case f.has(flagAck):
		c.side.ponged(f.payload)
	default:
		c.control(appendPing(c.out.frames, flagAck, f.payload))
	}
	return c.unproductive()
}

func (c *conn) goAway(f *frame) error {
	switch {
	case f.stream != 0:
		return fault(ProtocolError, "GOAWAY of a stream")
	case len(f.payload) < 8:
		return fault(FrameSizeError, "GOAWAY of a wrong length")
	}
	c.side.leaving(binary.BigEndian.Uint32(f.payload)&maxStreamID, Code(binary.BigEndian.Uint32(f.payload[4:])))
	return c.unproductive()
}

func (c *conn) windowUpdate(f *frame) error {
	if len(f.payload) != lengthOfWindowUpdate {
		return fault(FrameSizeError, "WINDOW_UPDATE of a wrong length")
	}
	by := int(binary.BigEndian.Uint32(f.payload) & maxWindow)
	if f.stream == 0 {
		if by == 0 {
			return fault(ProtocolError, "WINDOW_UPDATE of nothing")
		}
		if c.credit += by; c.credit > maxWindow {
			return fault(FlowControlError, "the window of the connection is too large")
		}
		c.unblock()
		return c.unproductive()
	}
	s := c.streams[f.stream]
	switch {
	case s == nil && c.side.unborn(f.stream):
		return fault(ProtocolError, "WINDOW_UPDATE of a stream that was never opened")
	case s == nil:
	case by == 0:
		c.breakOff(s, fault(ProtocolError, "WINDOW_UPDATE of nothing"))
	case s.credit+by > maxWindow:
		c.breakOff(s, fault(FlowControlError, "the window is too large"))
	default:
		s.credit += by
		c.rouse(s)
	}
	return c.unproductive()
}
