package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/load"
)

// row is one thing to measure.
type row struct {
	name, about string
	plan        load.Plan // without targets and times; Kind "" plays nothing
	bodies      bool      // large enough for splicing to matter
	upstreams   int       // that the proxy has for HTTP; 0 is one
	fresh       bool      // a new process each time, where what has been would be seen
	start       bool      // measures the start of the process
	metrics     []metric  // what is measured, the one that matters most first
}

func (r row) protocol() protocol {
	switch r.plan.Kind {
	case load.H2C:
		return h2c
	case load.TCP, load.TCPClose, load.TCPIdle:
		return tcp
	}
	return http1
}

// takesPart reports whether a contender is measured in the row.
func (r row) takesPart(c contender) bool { return c.plays == nil || c.plays(r) }

const (
	kib = 1 << 10
	mib = 1 << 20
)

// rows are all there are, with that many idle connections.
func rows(idle int) []row {
	timed := []metric{cpu, rate, p50, p99, peak}
	return []row{
		{name: "c1", about: "HTTP/1.1, 1 connection, 1 KiB", plan: load.Plan{Kind: load.HTTP, Connections: 1, Answer: kib}, metrics: timed},
		{name: "c64", about: "HTTP/1.1, 64 connections, 1 KiB", plan: load.Plan{Kind: load.HTTP, Connections: 64, Answer: kib}, metrics: timed},
		{name: "c256", about: "HTTP/1.1, 256 connections, 1 KiB", plan: load.Plan{Kind: load.HTTP, Connections: 256, Answer: kib}, metrics: timed},
		{name: "64k", about: "HTTP/1.1, 64 connections, 64 KiB", plan: load.Plan{Kind: load.HTTP, Connections: 64, Answer: 64 * kib}, bodies: true, metrics: timed},
		{name: "1m", about: "HTTP/1.1, 16 connections, 1 MiB", plan: load.Plan{Kind: load.HTTP, Connections: 16, Answer: mib}, bodies: true, metrics: timed},
		{
			name: "post", about: "HTTP/1.1, 64 connections, of ten requests two POSTs with 1 KiB and one with 16 KiB",
			plan: load.Plan{Kind: load.HTTP, Connections: 64, Answer: kib, Posts: []int{kib, kib, 16 * kib}}, metrics: timed,
		},
		{name: "close", about: "HTTP/1.1, a connection for each request, 64 at once, 1 KiB", plan: load.Plan{Kind: load.Close, Connections: 64, Answer: kib}, metrics: timed},
		{name: "tcp", about: "TCP, 64 connections, exchanges of 1 KiB", plan: load.Plan{Kind: load.TCP, Connections: 64, Ask: kib, Answer: kib}, metrics: timed},
		{name: "tcp-1m", about: "TCP, 16 connections, answers of 1 MiB", plan: load.Plan{Kind: load.TCP, Connections: 16, Ask: 64, Answer: mib}, bodies: true, metrics: timed},
		{name: "tcp-rate", about: "TCP, a connection for each exchange of 1 KiB, 64 at once", plan: load.Plan{Kind: load.TCPClose, Connections: 64, Ask: kib, Answer: kib}, metrics: timed},
		{name: "h2c", about: "gRPC over h2c, 8 connections of 16 streams, 25 bytes", plan: load.Plan{Kind: load.H2C, Connections: 8, Streams: 16}, metrics: timed},
		{
			name: "idle", about: fmt.Sprintf("%d idle HTTP/1.1 connections, after one request each", idle),
			plan: load.Plan{Kind: load.Idle, Connections: idle, Answer: kib}, fresh: true, metrics: []metric{growth, resident},
		},
		{
			name: "idle-tcp", about: fmt.Sprintf("%d idle TCP connections, after one exchange of 1 KiB each", idle),
			plan: load.Plan{Kind: load.TCPIdle, Connections: idle, Ask: kib, Answer: kib}, fresh: true, metrics: []metric{growth, resident},
		},
		{name: "rest", about: "at rest with 10 HTTP upstreams, after one request to each", upstreams: 10, fresh: true, metrics: []metric{resident}},
		{name: "start", about: "from the start of the process to the first request served", start: true, fresh: true, metrics: []metric{startup}},
	}
}

// selectRows takes those that a list of names and regular expressions means.
func selectRows(all []row, list string) (chosen []row, err error) {
	if list == "" {
		return all, nil
	}
	var patterns []*regexp.Regexp
	for _, name := range strings.Split(list, ",") {
		p, err := regexp.Compile("^(?:" + strings.TrimSpace(name) + ")$")
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	for _, r := range all {
		for _, p := range patterns {
			if p.MatchString(r.name) {
				chosen = append(chosen, r)
				break
			}
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no row is called %q", list)
	}
	return chosen, nil
}

// pace is how long things are measured.
type pace struct {
	rounds           int
	warmup, duration time.Duration
	idle             int           // connections of the rows "idle" and "idle-tcp"
	rest             time.Duration // to settle, before memory is read
}
