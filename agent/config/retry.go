package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

func (r *Retry) spec(protocol *string) spec {
	return spec{
		fields: []field{
			count("max", &r.Max, 2),
			whole("budget_percent", &r.BudgetPercent, 20, 0, 100),
			count("budget_per_second", &r.BudgetPerSecond, 10),
			list("on", &r.On, nil, parseAnswer).except(protocol, "tcp"),
		},
		blocks: []child{{name: "hedge", spec: func(string) spec {
			var hedge Hedge
			s := hedge.spec()
			s.done = func(b *block) {
				if *protocol == "tcp" {
					b.decoder.report(SeverityError, b.header, "hedge does nothing with tcp", "remove it: what was sent on one connection cannot be sent on another")
				}
				r.Hedge = &hedge
			}
			return s
		}}},
		done: r.finish,
	}
}

func (h *Hedge) spec() spec {
	return spec{fields: []field{
		bind("percentile", &h.Percentile, 95, parseNumber, between(50.0, 99.9)),
		duration("least", &h.Least, 5*time.Millisecond, atLeast(time.Millisecond)),
	}}
}

// finish finds what would have to be paid from a budget of nothing.
func (r *Retry) finish(b *block) {
	if len(r.On) > 0 && r.Max == 0 && b.sound("on", "max") {
		b.reject("on", "on does nothing with max 0", "allow at least one further attempt, or remove it")
	}
	if len(b.blocks["hedge"]) > 0 && r.BudgetPercent == 0 && r.BudgetPerSecond == 0 && b.sound("budget_percent", "budget_per_second") {
		b.decoder.report(SeverityError, b.blocks["hedge"][0].header, "hedge does nothing: the budget is 0", "write budget_percent = 20, or remove it")
	}
}

// parseAnswer reads an answer that is to be had from another backend.
func parseAnswer(v cty.Value) (Answer, *problem) {
	advice := `write a status or two such as "502-504", "retry-after", or a status of gRPC such as "grpc:14"`
	s, p := parseText(v)
	if p != nil {
		return Answer{}, wrong("is no answer", advice)
	}
	if s == "retry-after" {
		return Answer{RetryAfter: true}, nil
	}
	if digits, ok := strings.CutPrefix(s, "grpc:"); ok {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > 16 {
			return Answer{}, wrong("is no status of gRPC that says of a failure", "write one from 1 to 16, such as \"grpc:14\" for UNAVAILABLE")
		}
		return Answer{GRPC: n}, nil
	}
	status, p := parseStatus(v)
	switch {
	case p != nil:
		return Answer{}, wrong("is no answer", advice)
	case status.From < 400:
		return Answer{}, wrong("is no failure", "write statuses from 400 to 599")
	}
	return Answer{Status: status}, nil
}
