package http2

import "encoding/binary"

// maxSettings bounds those of one frame, since each may touch every stream.
const maxSettings = 32

// settings follows those of the peer.
func (c *conn) settings(f *frame) error {
	switch {
	case f.stream != 0:
		return fault(ProtocolError, "SETTINGS of a stream")
	case f.has(flagAck) && len(f.payload) > 0, len(f.payload)%lengthOfSetting != 0:
		return fault(FrameSizeError, "SETTINGS of a wrong length")
	case f.has(flagAck):
		return c.unproductive()
	case len(f.payload) > maxSettings*lengthOfSetting:
		return fault(EnhanceYourCalm, "%d settings", len(f.payload)/lengthOfSetting)
	}
	for p := f.payload; len(p) > 0; p = p[lengthOfSetting:] {
		if err := c.setting(setting{binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])}); err != nil {
			return err
		}
	}
	c.control(appendFrame(c.out.frames, 0, kindSettings, flagAck, 0))
	return c.unproductive()
}

func (c *conn) setting(s setting) error {
	switch s.id {
	case settingTableSize:
		c.encoder.resize(s.value)
	case settingWindow:
		if s.value > maxWindow {
			return fault(FlowControlError, "INITIAL_WINDOW_SIZE is too large")
		}
		return c.resize(int(s.value))
	case settingFrameSize:
		// Ours are never larger than the smallest that a peer can ask for.
		if s.value < maxFrame || s.value > 1<<24-1 {
			return fault(ProtocolError, "MAX_FRAME_SIZE of %d", s.value)
		}
	}
	return c.side.setting(s)
}

// resize makes the windows of all streams what they would be had they begun
// with another size (RFC 9113 section 6.9.2).
func (c *conn) resize(initial int) error {
	by := initial - c.initialCredit
	c.initialCredit = initial
	for _, s := range c.streams {
		if s.credit += by; s.credit > maxWindow {
			return fault(FlowControlError, "INITIAL_WINDOW_SIZE makes a window too large")
		}
		c.rouse(s)
	}
	return nil
}
