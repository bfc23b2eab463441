package proxyproto

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

const signature2 = "\r\n\r\n\x00\r\nQUIT\n"

// The parts of a header of version 2, whose numbers are in network order.
const (
	fixed2 = 16 // signature, version and command, family and protocol, length

	local = 0x20 // version and command
	proxy = 0x21

	unspec = 0x00 // family and protocol
	tcp4   = 0x11
	tcp6   = 0x21
	unix   = 0x31

	checksumType = 0x03 // the TLV with a CRC32c of the whole header
	checksumLen  = 4
	tlvHead      = 3
)

// addressLen is how many bytes of addresses each kind of stream has.
var addressLen = map[byte]int{unspec: 0, tcp4: 12, tcp6: 36, unix: 216}

func parse2(b []byte) (Header, int, error) {
	if len(b) < fixed2 {
		return Header{}, 0, ErrShort
	}
	command, kind, n := b[12], b[13], fixed2+int(binary.BigEndian.Uint16(b[14:]))
	width, stream := addressLen[kind]
	switch {
	case command != local && command != proxy:
		return Header{}, 0, malformed("it knows no version and command %#x", command)
	case !stream && command == proxy:
		return Header{}, 0, malformed("it knows no stream of family and protocol %#x", kind)
	case n > MaxLen:
		return Header{}, 0, malformed("it has %d bytes", n)
	case n < fixed2+width:
		return Header{}, 0, malformed("its addresses are cut short")
	case len(b) < n:
		return Header{}, 0, ErrShort
	case command == local: // the receiver has to skip the rest, whatever it is
		return Header{Local: true}, n, nil
	}
	if kind != unspec { // of which the rest says nothing
		if err := vectors(b[:n], fixed2+width); err != nil {
			return Header{}, 0, err
		}
	}
	h, a := Header{}, b[fixed2:n]
	switch kind {
	case tcp4:
		h.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(a)), binary.BigEndian.Uint16(a[8:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom4([4]byte(a[4:])), binary.BigEndian.Uint16(a[10:]))
	case tcp6:
		h.Source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(a)), binary.BigEndian.Uint16(a[32:]))
		h.Destination = netip.AddrPortFrom(netip.AddrFrom16([16]byte(a[16:])), binary.BigEndian.Uint16(a[34:]))
	}
	return h, n, nil
}

// vectors makes sure that the TLVs fill the header's rest, and that it is what
// its checksum says, if it has one. The others are for those who want them.
func vectors(header []byte, at int) error {
	for at < len(header) {
		if len(header) < at+tlvHead {
			return malformed("a TLV is cut short")
		}
		kind, value := header[at], at+tlvHead
		end := value + int(binary.BigEndian.Uint16(header[at+1:]))
		if end > len(header) {
			return malformed("a TLV is longer than the header")
		}
		if kind == checksumType {
			if end-value != checksumLen || binary.BigEndian.Uint32(header[value:]) != checksum(header, value) {
				return malformed("the checksum is wrong")
			}
		}
		at = end
	}
	return nil
}

// checksum is that of the header with zeros in the checksum's own place.
func checksum(header []byte, place int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, header[:place])
	sum = crc32.Update(sum, table, make([]byte, checksumLen))
	return crc32.Update(sum, table, header[place+checksumLen:])
}

// AppendV2 appends the header in version 2, without TLVs.
func AppendV2(b []byte, h Header) []byte {
	b = append(b, signature2...)
	switch {
	case h.Local:
		return append(b, local, unspec, 0, 0)
	case !h.known():
		return append(b, proxy, unspec, 0, 0)
	}
	source, destination := h.addresses()
	kind := byte(tcp6)
	if source.Is4() {
		kind = tcp4
	}
	b = append(b, proxy, kind, 0, byte(addressLen[kind]))
	b = append(append(b, source.AsSlice()...), destination.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, h.Source.Port())
	return binary.BigEndian.AppendUint16(b, h.Destination.Port())
}
