// Lbsim simulates balancing: agents, each with a real lb.Balancer, send
// requests to servers with queues, in a time of its own and with chance from a
// seed. It prints what every strategy makes of a scenario, next to two
// baselines that see what no balancer can. Same flags, same output, to the byte.
//
//	go run ./lb/lbsim -h
//	go run ./lb/lbsim -scenario one_slow -svg one_slow.svg
//
// What it leaves out: the network takes no time, clients never give up, and
// nobody retries. Strategies alone are judged, unless -ejection is given.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage(stdout)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "lbsim: %v\nlbsim -h lists the flags, scenarios and strategies\n", err)
		return 2
	case o.list:
		listScenarios(stdout)
		return 0
	}
	if err := o.run(stdout); err != nil {
		fmt.Fprintf(stderr, "lbsim: %v\n", err)
		return 1
	}
	return 0
}

// run simulates what was asked for and reports it.
func (o options) run(stdout io.Writer) error {
	var reports []report
	for _, s := range o.scenarios {
		r := report{scenario: s, model: o.model(s)}
		for _, name := range o.strategies {
			result, err := simulate(r.model, name)
			if err != nil {
				return fmt.Errorf("scenario %s, strategy %s: %w", s.name, name, err)
			}
			r.results = append(r.results, result)
		}
		reports = append(reports, r)
		if !o.json { // as soon as it is there: all scenarios take a while
			r.print(stdout)
		}
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, chart(reports), 0o644); err != nil { //nolint:gosec // a picture is for everybody
			return fmt.Errorf("the chart: %w", err)
		}
	}
	if o.json {
		return printJSON(stdout, reports)
	}
	return nil
}
