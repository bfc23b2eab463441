package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the flags ask for.
type options struct {
	scenarios  []scenario
	strategies []string
	changes    []func(*model) // of a scenario's own model, in the flags' order
	svg        string
	json, list bool
}

// model is a scenario's own, with what the flags change about it.
func (o options) model(s scenario) model {
	m := s.model()
	for _, change := range o.changes {
		change(&m)
	}
	if m.warmup < 0 {
		m.warmup = m.requests / 10
	}
	return m
}

// flags are all there are, reading into o. The scenario's numbers are changed
// only by flags that are given: a scenario has defaults of its own.
func flags(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("lbsim", flag.ContinueOnError)
	f.SetOutput(io.Discard) // main prints errors and help
	o.scenarios, o.strategies = scenarios()[:1], strategies()
	change := func(name, usage string, set func(text string) (func(*model), error)) {
		f.Func(name, usage, func(text string) error {
			c, err := set(text)
			if err == nil {
				o.changes = append(o.changes, c)
			}
			return err
		})
	}
	whole := func(name, usage string, least, most int, set func(*model, int)) {
		change(name, usage, func(text string) (func(*model), error) {
			n, err := strconv.Atoi(text)
			if err != nil || n < least || n > most {
				return nil, fmt.Errorf("give a whole number from %d to %d", least, most)
			}
			return func(m *model) { set(m, n) }, nil
		})
	}
	f.Func("scenario", "the scenario's `NAME`, several with commas between them, all, or list to see them (default one_slow)", func(text string) (err error) {
		o.list = text == "list"
		if !o.list {
			o.scenarios, err = scenariosByName(text)
		}
		return err
	})
	f.Func("strategy", "the strategies' `NAMES` with commas between them, or all; round_robin always stands beside them (default all)", func(text string) (err error) {
		o.strategies, err = strategiesByName(text)
		return err
	})
	change("seed", "the whole `NUMBER` that chance begins with (default 1)", func(text string) (func(*model), error) {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, errors.New("give a whole number, 0 or more")
		}
		return func(m *model) { m.seed = n }, nil
	})
	whole("requests", "`N` requests for each strategy, warm-up among them (default 300000, of joins 100000)", 1, 100_000_000, func(m *model, n int) { m.requests = n })
	whole("warmup", "the first `N` requests, the warm-up, count in no figure (default a tenth, of joins 16000)", 0, 100_000_000, func(m *model, n int) { m.warmup = n })
	whole("agents", "`N` agents, each with its own balancer (default the scenario's)", 1, 1000, func(m *model, n int) { m.agents = n })
	whole("servers", "`N` servers (default the scenario's)", 1, 1000, func(m *model, n int) { m.servers = n })
	whole("workers", "a server serves `N` requests at once for each unit of its weight (default 1)", 1, 1000, func(m *model, n int) { m.workers = n })
	whole("limit", "`N` requests for each worker make a server full, under first alone (default 4)", 1, 1000, func(m *model, n int) { m.limit = n })
	change("utilisation", "the `PART` of all servers' capacity that requests take up, above 0 and below 1 (default the scenario's)", func(text string) (func(*model), error) {
		u, err := strconv.ParseFloat(text, 64)
		if err != nil || !(u > 0 && u < 1) {
			return nil, errors.New("give a number above 0 and below 1, such as 0.8; at 1 queues grow without end")
		}
		return func(m *model) { m.utilisation = u }, nil
	})
	duration := func(name, usage string, least time.Duration, set func(*model, time.Duration)) {
		change(name, usage, func(text string) (func(*model), error) {
			d, err := time.ParseDuration(text)
			if err != nil || d < least || d > time.Hour {
				return nil, fmt.Errorf("give a duration from %v to 1h, such as 10ms", least)
			}
			return func(m *model) { set(m, d) }, nil
		})
	}
	duration("service", "the mean `TIME` that a worker needs for a request, as 10ms (default 10ms)", time.Microsecond, func(m *model, d time.Duration) { m.service = d })
	duration("slow-start", "the `TIME` over which a new server comes to its share, as 20s; 0s is at once (default the scenario's)", 0, func(m *model, d time.Duration) { m.slowStart = d })
	change("distribution", "the `NAME` of the distribution of service times: "+strings.Join(distributionNames(), ", ")+" (default the scenario's)", func(text string) (func(*model), error) {
		d, err := distributionByName(text)
		return func(m *model) { m.distribution = d }, err
	})
	f.BoolFunc("ejection", "eject servers that fail 5 times in a row (default off: strategies alone are judged)", func(text string) error {
		on, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("give true or false, or nothing for true")
		}
		o.changes = append(o.changes, func(m *model) { m.ejection = on })
		return nil
	})
	f.StringVar(&o.svg, "svg", "", "the `FILE` to draw a chart into (default none)")
	f.BoolVar(&o.json, "json", false, "print JSON, with times in ms, and no table (default off)")
	return f
}

// parse reads the flags; the error is flag.ErrHelp where help is wanted.
func parse(args []string) (options, error) {
	var o options
	f := flags(&o)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("what is %q? Everything is said by flags, and none takes more than one word", f.Arg(0))
	}
	for _, s := range o.scenarios {
		if err := o.model(s).check(); err != nil {
			return o, fmt.Errorf("scenario %s: %w", s.name, err)
		}
	}
	return o, nil
}

// scenariosByName reads the scenarios' names, or all.
func scenariosByName(text string) (found []scenario, err error) {
	all := scenarios()
	if text == "all" {
		return all, nil
	}
	for name := range strings.SplitSeq(text, ",") {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no scenario %q; there are all, list, %s", name, strings.Join(scenarioNames(), ", "))
		}
		found = append(found, all[i])
	}
	return found, nil
}

// strategiesByName reads strategies' names, or all. Round robin is always
// among them: it is what everybody compares with.
func strategiesByName(text string) (names []string, err error) {
	if text == "all" {
		return strategies(), nil
	}
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(strategies(), name) {
			return nil, fmt.Errorf("there is no strategy %q; there are all, %s", name, strings.Join(strategies(), ", "))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if !slices.Contains(names, "round_robin") {
		names = append(names, "round_robin")
	}
	return names, nil
}
