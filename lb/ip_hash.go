package lb

import (
	"encoding/binary"
	"net/netip"
)

// IPHash is ConsistentHash by client address: the key is an IP address, with
// or without a port, and the same address always counts as the same key
// however it is written. Keys that are no address are hashed as they are.
func IPHash(options ...HashOption) Strategy { return newHashing("ip_hash", hashAddress, options) }

func hashAddress(key string) (uint64, bool) {
	addr, err := netip.ParseAddr(key)
	if err != nil {
		withPort, err := netip.ParseAddrPort(key)
		if err != nil {
			return hashString(key), key != ""
		}
		addr = withPort.Addr()
	}
	raw := addr.Unmap().WithZone("").As16()
	return mix(binary.BigEndian.Uint64(raw[:8]) ^ mix(binary.BigEndian.Uint64(raw[8:]))), true
}
