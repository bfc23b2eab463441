package http2

import "encoding/binary"

// kind is the type of a frame.
type kind uint8

const (
	kindData kind = iota
	kindHeaders
	kindPriority
	kindReset
	kindSettings
	kindPushPromise
	kindPing
	kindGoAway
	kindWindowUpdate
	kindContinuation
)

const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	settingTableSize     = 1
	settingPush          = 2
	settingStreams       = 3
	settingWindow        = 4
	settingFrameSize     = 5
	settingHeaderList    = 6
	frameHeaderLen       = 9
	maxFrame             = 16 << 10 // what all sides must take, and as large as ours get
	initialWindow        = 65535
	maxWindow            = 1<<31 - 1
	maxStreamID          = 1<<31 - 1
	lengthOfPing         = 8
	lengthOfSetting      = 6
	lengthOfPriority     = 5
	lengthOfReset        = 4
	lengthOfWindowUpdate = 4
)

// frame is one as it lies in what was read.
type frame struct {
	kind    kind
	flags   uint8
	stream  uint32
	payload []byte
}

func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// cut takes the first frame off b. It returns how many bytes it takes, all told;
// those are more than b has where b holds only a part of it.
func cut(b []byte) (f frame, size int) {
	if len(b) < frameHeaderLen {
		return f, frameHeaderLen
	}
	size = frameHeaderLen + (int(b[0])<<16 | int(b[1])<<8 | int(b[2]))
	f.kind, f.flags, f.stream = kind(b[3]), b[4], binary.BigEndian.Uint32(b[5:])&maxStreamID
	if size <= len(b) {
		f.payload = b[frameHeaderLen:size]
	}
	return f, size
}

// unpad takes the padding and, of HEADERS, the priority off a frame's payload.
// A stream cannot depend on itself.
func (f *frame) unpad() error {
	p := f.payload
	padding := 0
	if f.has(flagPadded) {
		if len(p) == 0 {
			return fault(FrameSizeError, "a padded frame of no length")
		}
		padding, p = int(p[0]), p[1:]
	}
	if f.kind == kindHeaders && f.has(flagPriority) {
		if len(p) < lengthOfPriority {
			return fault(FrameSizeError, "no room for a priority")
		}
		p = p[lengthOfPriority:]
	}
	if padding > len(p) {
		return fault(ProtocolError, "more padding than frame")
	}
	f.payload = p[:len(p)-padding]
	return nil
}

// dependsOnItself tells of a frame with a priority, before unpad.
func (f *frame) dependsOnItself() bool {
	p := f.payload
	if f.kind == kindHeaders {
		if !f.has(flagPriority) {
			return false
		}
		if f.has(flagPadded) {
			p = p[min(1, len(p)):]
		}
	}
	return len(p) >= lengthOfPriority && binary.BigEndian.Uint32(p)&maxStreamID == f.stream
}

func appendFrame(b []byte, length int, k kind, flags uint8, stream uint32) []byte {
	return append(b, byte(length>>16), byte(length>>8), byte(length), byte(k), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

func appendReset(b []byte, stream uint32, code Code) []byte {
	b = appendFrame(b, lengthOfReset, kindReset, 0, stream)
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

func appendWindowUpdate(b []byte, stream uint32, by int) []byte {
	b = appendFrame(b, lengthOfWindowUpdate, kindWindowUpdate, 0, stream)
	return binary.BigEndian.AppendUint32(b, uint32(by))
}

func appendPing(b []byte, flags uint8, data []byte) []byte {
	return append(appendFrame(b, lengthOfPing, kindPing, flags, 0), data...)
}

func appendGoAway(b []byte, last uint32, code Code, debug string) []byte {
	b = appendFrame(b, 8+len(debug), kindGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, last)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	return append(b, debug...)
}

// setting is one parameter of a SETTINGS frame.
type setting struct {
	id    uint16
	value uint32
}

func appendSettings(b []byte, settings ...setting) []byte {
	b = appendFrame(b, lengthOfSetting*len(settings), kindSettings, 0, 0)
	for _, s := range settings {
		b = binary.BigEndian.AppendUint16(b, s.id)
		b = binary.BigEndian.AppendUint32(b, s.value)
	}
	return b
}
