package lb

// ConsistentHash sends each key to one server, as long as that server can take
// it. When servers come or go, or their weights change, only their own share of
// the keys moves, and every agent with the same servers sends a key to the same
// one. A key whose server is full or was tried goes to a second one, always the
// same, and so on; BoundedLoad has a server count as full early. Requests
// without a key are spread at random. See ring for how and why.
func ConsistentHash(options ...HashOption) Strategy {
	return newHashing("consistent_hash", func(key string) (uint64, bool) { return hashString(key), key != "" }, options)
}
