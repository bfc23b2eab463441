package main

import (
	"runtime"

	"github.com/outrigger-sidecar/outrigger/bench/floor"
)

// reverseProxy is Go's own proxy in a process of its own.
func reverseProxy() contender {
	return contender{
		name: floorName, about: "httputil.ReverseProxy and io.Copy of " + runtime.Version(),
		command: func(l layout) (command, error) {
			return part(floorPart, floor.Job{HTTP: l.http, H2C: l.h2c, TCP: l.tcp, Backends: l.backends})
		},
	}
}
