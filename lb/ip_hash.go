package lb

import "net/netip"

// IPHash is ConsistentHash by client address: the key is an IP address, with
// or without a port, and the same address always counts as the same key
// however it is written. Keys that are no address are hashed as they are.
func IPHash() Strategy { return &hashed{"ip_hash", hashAddress} }

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
	h := uint64(14695981039346656037)
	for _, b := range raw {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return mix(h), true
}
