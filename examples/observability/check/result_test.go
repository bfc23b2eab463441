package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// parse is how every expression is read here.
func parse(text string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(text)
}

// result is the labels that the result of an expression may have. It fails on
// a series that there is not, and on a label that the series cannot have, be
// it to select, to group or to match by.
func (v vocabulary) result(e parser.Expr) (labelSet, error) {
	switch e := e.(type) {
	case *parser.ParenExpr:
		return v.result(e.Expr)
	case *parser.UnaryExpr:
		return v.result(e.Expr)
	case *parser.MatrixSelector:
		return v.result(e.VectorSelector)
	case *parser.VectorSelector:
		return v.selected(e)
	case *parser.Call:
		return v.called(e)
	case *parser.AggregateExpr:
		return v.aggregated(e)
	case *parser.BinaryExpr:
		return v.combined(e)
	case *parser.NumberLiteral:
		return nil, nil
	}
	return nil, fmt.Errorf("%s: a %T, which this check knows nothing of", e, e)
}

func (v vocabulary) selected(e *parser.VectorSelector) (labelSet, error) {
	has, known := v[e.Name]
	if !known {
		return nil, fmt.Errorf("there is no series %q", e.Name)
	}
	for _, m := range e.LabelMatchers {
		if m.Name != "__name__" && !has[m.Name] {
			return nil, fmt.Errorf("%s has no label %s, but %s", e.Name, m.Name, has)
		}
	}
	return has, nil
}

func (v vocabulary) called(e *parser.Call) (labelSet, error) {
	var has labelSet
	for _, arg := range e.Args {
		of, err := v.result(arg)
		if err != nil {
			return nil, err
		}
		if of != nil {
			has = maps.Clone(of)
		}
	}
	if e.Func.Name == "histogram_quantile" {
		if !has["le"] {
			return nil, fmt.Errorf("%s: no le to make a quantile of", e)
		}
		delete(has, "le")
	}
	return has, nil
}

func (v vocabulary) aggregated(e *parser.AggregateExpr) (labelSet, error) {
	has, err := v.result(e.Expr)
	if err != nil {
		return nil, err
	}
	if e.Without {
		return nil, fmt.Errorf("%s: say by what to group, so that one more label changes nothing", e)
	}
	return pick(e, has, e.Grouping)
}

func (v vocabulary) combined(e *parser.BinaryExpr) (labelSet, error) {
	left, err := v.result(e.LHS)
	if err != nil {
		return nil, err
	}
	right, err := v.result(e.RHS)
	switch {
	case err != nil:
		return nil, err
	case left == nil: // a number
		return right, nil
	case right == nil:
		return left, nil
	}
	m := e.VectorMatching
	if m.On {
		if _, err := pick(e.LHS, left, m.MatchingLabels); err != nil {
			return nil, err
		}
		if _, err := pick(e.RHS, right, m.MatchingLabels); err != nil {
			return nil, err
		}
	} else if left.String() != right.String() && !e.Op.IsSetOperator() {
		return nil, fmt.Errorf("%s: one side has %s, the other %s", e, left, right)
	}
	switch m.Card {
	case parser.CardManyToOne:
		included, err := pick(e.RHS, right, m.Include)
		if err != nil {
			return nil, err
		}
		all := maps.Clone(left)
		maps.Copy(all, included)
		return all, nil
	case parser.CardOneToOne:
		if m.On {
			return pick(e, left, m.MatchingLabels)
		}
	case parser.CardManyToMany:
	default:
		return nil, fmt.Errorf("%s: turn it around, for group_left", e)
	}
	return left, nil
}

// pick is those of the labels that are named.
func pick(e parser.Expr, has labelSet, names []string) (labelSet, error) {
	picked := make(labelSet)
	for _, name := range names {
		if !has[name] {
			return nil, fmt.Errorf("%s has no label %s, but %s", e, name, has)
		}
		picked[name] = true
	}
	return picked, nil
}

// What this check is for is seen by it.
func TestCheckSeesMistakes(t *testing.T) {
	v := vocabularyOf(t, readRegistry(t))
	for expr, want := range map[string]string{
		`sum(rate(http_server_requests_total[5m]))`:                                                                      "no series",
		`outrigger_backend_count{zone="a"}`:                                                                              "no label zone",
		`sum by (outrigger_backend_id) (outrigger_backend_count)`:                                                        "no label outrigger_backend_id",
		`sum without (instance) (outrigger_backend_count)`:                                                               "say by what",
		`histogram_quantile(0.9, sum by (job) (rate(http_server_request_duration_seconds_bucket[5m])))`:                  "no le",
		`http_server_request_duration_seconds_count{le="1"}`:                                                             "no label le",
		`sum by (job) (outrigger_queue_waiting) / sum by (instance) (outrigger_queue_waiting)`:                           "one side has",
		`outrigger_queue_waiting * on (job, state) outrigger_backend_count`:                                              "no label state",
		`outrigger_build_info * on (job, instance) group_left (app) target_info`:                                         "no label app",
		`sum by (job) (outrigger_queue_waiting) * on (job) group_right () outrigger_backend_count`:                       "turn it around",
		`sum by (le) (outrigger_queue_waiting)`:                                                                          "no label le",
		`label_replace(outrigger_queue_waiting, "a", "$1", "b", "(.*)")`:                                                 "knows nothing of",
		`sum by (outrigger_upstream_name) (outrigger_queue_waiting) > on (outrigger_upstream_name) outrigger_build_info`: "no label outrigger_upstream_name",
	} {
		e, err := parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if has, err := v.result(e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %q", expr, has, err, want)
		}
	}
}
