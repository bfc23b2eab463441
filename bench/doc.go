// Bench measures the agent beside HAProxy, nginx and Go's own ReverseProxy, in
// one run on one machine, which is the only way that such numbers mean anything:
//
//	cd bench
//	go run .                                   # all rows, about half an hour
//	go run . -rounds 3 -duration 1s -rows c64  # one, in a minute
//	go run . -agent old=./a -agent new=./b     # two builds side by side
//	go run . -pgo ../default.pgo               # a profile to build by
//
// It is a module of its own, so that nobody who uses Outrigger gets its
// requirements. README.md says how to read what it prints.
package main
