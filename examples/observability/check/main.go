// Check writes the Grafana dashboard beside it, and its tests hold that, the
// rules and the pages of names against what an agent really emits:
//
//	cd examples/observability/check
//	go generate   # writes ../grafana/outrigger.json
//	go test       # with promtool and prometheus, where they are installed
//
// It is a module of its own, so that nobody who uses the agent gets its
// requirements, of which Prometheus's parser is the greatest.
package main

import (
	"fmt"
	"os"
)

//go:generate go run .

// dashboardFile is where Grafana finds the dashboard.
const dashboardFile = "../grafana/outrigger.json"

func main() {
	if err := os.WriteFile(dashboardFile, outrigger().json(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
