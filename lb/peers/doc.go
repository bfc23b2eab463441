// Peers measures package lb beside its counterparts in gRPC-Go, in one run on
// one machine, which is the only way that such numbers mean anything:
//
//	cd lb/peers
//	go run .                     # medians of interleaved rounds, ratios, quality
//	go test -bench Pick -cpu 2   # the same work, for benchstat and pprof
//
// It is a module of its own, so that nobody who uses lb gets its requirements.
//
// # What one operation is
//
// One pick and its end, by as many goroutines at once as there are processors:
// Select and Release here, Picker.Pick and PickResult.Done there. gRPC's
// balancers are driven through their public API by a channel that only
// pretends to connect; everything of theirs up to the picker is their own. Every
// pick has another of 4096 keys.
//
// # What is compared with what
//
//	round_robin           round_robin
//	weighted_round_robin  weighted_round_robin, with load reports that make the same weights
//	least_connections     least_request_experimental
//	power_of_two          least_request_experimental
//	least_request         least_request_experimental
//	consistent_hash       ring_hash_experimental
//	ip_hash               ring_hash_experimental, which hashes the address as text
//	first                 pick_first
//	random                none: gRPC has no such policy
//	least_response_time   none
//
// They do not do the same work. Ours reserves a place, within a limit if there
// is one, and counts requests in flight and requests ever, per server, for all
// strategies. Of gRPC's only least_request counts, and only what is in flight.
// Therefore the rows grpc+count: the peer's pick and what a caller has to add
// to know of each server what ours knows, written as one would write it, two
// atomic counters per server on a cache line of its own, which is three
// additions a request. Whoever packs both into one word, as lb does, needs two.
//
// The other way around gRPC's ring_hash takes its key from the outgoing headers
// of the request's context, since the other way to give it one is closed to all
// but xDS: some of its time and all of its allocations are for that.
//
// Its random_subsetting, weighted_target, priority and outlier_detection choose
// whom another policy picks from and have no picks of their own. bufbuild/httplb
// belongs in this comparison too, but could not be had when this was written.
package main
