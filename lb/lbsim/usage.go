package main

import (
	"fmt"
	"io"
	"strings"
)

// usage explains the program.
func usage(w io.Writer) {
	fmt.Fprint(w, `lbsim simulates balancing over servers with queues: every strategy of package
lb meets the same requests, and is compared with two baselines that know what
no balancer can.

  go run ./lb/lbsim
  go run ./lb/lbsim -scenario fleet -strategy jsq,power_of_two -utilisation 0.9
  go run ./lb/lbsim -scenario all -svg all.svg

Time and chance are simulated: the same flags print the same, to the byte. The
network takes no time, clients never give up, and nobody retries.

Flags:
`)
	var o options
	f := flags(&o)
	for _, name := range []string{"scenario", "strategy", "seed", "requests", "warmup", "agents", "servers", "workers", "utilisation",
		"service", "distribution", "slow-start", "limit", "ejection", "svg", "json"} {
		word, text := unquote(f.Lookup(name).Usage)
		fmt.Fprintf(w, "  %-20s %s\n", strings.TrimSpace("-"+name+" "+word), wrap(text, 80, 23))
	}
	fmt.Fprint(w, "\nScenarios:\n")
	listScenarios(w)
	fmt.Fprintf(w, `
Strategies: those of lb, by their names; %s, which bounds
loads to 1.25 of a share; and the baselines:
  jsq        shortest expected time to an answer, by the true queues of all
             agents together and the true speeds and troubles of the servers
  jsq_blind  shortest true queue in requests, and nothing else
first has a limit for each server (-limit), without which it means nothing.

Columns:
  SERVED/S       requests served in a second
  MEAN, P50, …   response times of served requests
  FAILED, IN     part of the requests that failed or found no room, and the mean
                 time that took; they are not in the response times
  UTIL MAX/MEAN  the busiest server's utilisation over the mean of all, by
                 capacity; 1 is even
  PICKS MAX/DUE  the most picks a server got over its share by weight
  S01 PICKS, DUE the special server's part of all picks, and by weight alone
`, bounded)
}

// unquote takes the back-quoted word out of a flag's usage.
func unquote(usage string) (word, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	word, after, closed := strings.Cut(rest, "`")
	if !ok || !closed {
		return "", usage
	}
	return word, before + word + after
}

// wrap breaks text into lines up to a width, each but the first indented.
func wrap(text string, width, indent int) string {
	var out strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			out.WriteByte(' ')
			column++
		}
		out.WriteString(word)
		column += len(word)
	}
	return out.String()
}
