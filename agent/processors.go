package agent

import "runtime"

// ShareProcessors lets the Go runtime run one thread more at once than the
// process may use processors: event loops wait for the network in the kernel,
// and hold a place each meanwhile. It is to be called before [New].
func ShareProcessors() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) }

// mostLoops bounds the event loops. Each carries tens of thousands of requests
// a second, and keeps connections of its own to each backend.
const mostLoops = 4

// loops is how many event loops an agent has.
func loops() int { return min(max(runtime.GOMAXPROCS(0)-1, 1), mostLoops) }
