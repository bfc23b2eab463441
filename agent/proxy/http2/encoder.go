package http2

import (
	"bytes"
	"hash/maphash"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// encoder compresses heads (HPACK, RFC 7541). It takes no memory for a field
// that it has met before, or that it meets once.
//
// A field goes into the table when it comes a second time: those that are
// different every time, such as trace ids, would only push the others out. None
// that proves who someone is goes there, since others who share the connection
// could find it out by guessing (RFC 7541 section 7.1). Nothing is written in
// Huffman's code: what repeats is an index anyway, and for the rest the time
// that it takes at both ends is worth more than its bytes.
type encoder struct {
	entries  [maxEntries]entry // a ring
	inserted uint32            // how many ever were; the next goes to inserted % maxEntries
	count    uint32            // the newest that are still there
	size     int               // of these, as the RFC counts
	limit    int               // for size
	resized  bool              // the peer must be told limit
	lowest   int               // that limit was since the peer was told
	seed     maphash.Seed
	slots    [slots]uint32 // by hash: the number of an entry, counted from 1; 0: none
	met      [slots]uint64 // by hash: the hash of the field met last
	name     []byte        // one in lower case
}

const (
	maxTable      = 4096                     // bytes; what everyone has
	entryOverhead = 32                       // RFC 7541 section 4.1
	maxEntries    = maxTable / entryOverhead // a power of two
	slots         = 256
	staticEntries = 61
)

// entry is a field in the table, with its name and value in text.
type entry struct {
	text []byte
	name int // its length
	hash uint64
}

func (e *entry) size() int { return len(e.text) + entryOverhead }

func newEncoder() *encoder {
	return &encoder{limit: maxTable, lowest: maxTable, seed: maphash.MakeSeed()}
}

// resize follows the peer's SETTINGS_HEADER_TABLE_SIZE.
func (e *encoder) resize(size uint32) {
	limit := int(min(size, maxTable))
	if limit == e.limit && !e.resized {
		return
	}
	e.limit, e.resized, e.lowest = limit, true, min(e.lowest, limit)
	e.evict()
}

func (e *encoder) evict() {
	for e.size > e.limit {
		oldest := &e.entries[(e.inserted-e.count)%maxEntries]
		e.size -= oldest.size()
		e.count--
		oldest.text = nil
	}
}

// begin starts a head.
func (e *encoder) begin(b []byte) []byte {
	if !e.resized {
		return b
	}
	if e.lowest < e.limit {
		// The RFC would have it told the lowest, but a decoder of much use, that
		// of x/net, takes a second size only where the first emptied its table.
		b = appendInt(b, 0x20, 5, 0)
		e.size, e.count = 0, 0
	}
	e.resized, e.lowest = false, e.limit
	return appendInt(b, 0x20, 5, e.limit)
}

// field writes one. static is the index of its name in the static table, 0
// where it is not there; name is in lower case.
func (e *encoder) field(b []byte, static int, name, value []byte, secret bool) []byte {
	if secret {
		return literal(b, 0x10, 4, static, name, value)
	}
	hash := maphash.Bytes(e.seed, value)
	if static != 0 {
		hash = hash*slotFactor + uint64(static)
	} else {
		hash = hash*slotFactor + maphash.Bytes(e.seed, name)
	}
	slot := hash % slots
	if n := e.slots[slot]; n != 0 && e.inserted-n < e.count {
		if at := &e.entries[(n-1)%maxEntries]; at.hash == hash && at.is(name, value) {
			return appendInt(b, 0x80, 7, staticEntries+1+int(e.inserted-n))
		}
	}
	if e.met[slot] != hash || len(name)+len(value)+entryOverhead > e.limit/4 {
		e.met[slot] = hash
		return literal(b, 0, 4, static, name, value)
	}
	b = literal(b, 0x40, 6, static, name, value)
	e.insert(hash, name, value)
	e.slots[slot] = e.inserted
	return b
}

const slotFactor = 0x9e3779b97f4a7c15 // odd, its bits well spread

func (e *encoder) insert(hash uint64, name, value []byte) {
	at := &e.entries[e.inserted%maxEntries]
	*at = entry{append(append(make([]byte, 0, len(name)+len(value)), name...), value...), len(name), hash}
	e.inserted++
	e.count++
	e.size += at.size()
	e.evict()
}

func (e *entry) is(name, value []byte) bool {
	return bytes.Equal(e.text[:e.name], name) && bytes.Equal(e.text[e.name:], value)
}

// literal writes a field without use of the table, but for its name.
func literal(b []byte, pattern byte, prefix, static int, name, value []byte) []byte {
	b = appendInt(b, pattern, prefix, static)
	if static == 0 {
		b = append(appendInt(b, 0, 7, len(name)), name...)
	}
	return append(appendInt(b, 0, 7, len(value)), value...)
}

// appendInt writes n into the lowest prefix bits of a byte, and on from there
// where it is too large for them (RFC 7541 section 5.1).
func appendInt(b []byte, pattern byte, prefix, n int) []byte {
	most := 1<<prefix - 1
	if n < most {
		return append(b, pattern|byte(n))
	}
	b = append(b, pattern|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// secret are the names of fields that prove who someone is.
func secret(n message.Name) bool {
	switch n {
	case message.Authorization, message.ProxyAuthorization, message.Cookie, message.SetCookie:
		return true
	}
	return false
}
