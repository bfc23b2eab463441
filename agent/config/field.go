package config

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// field is an attribute bound to the place in the Config that its value goes.
type field struct {
	name    string
	missing string // what to write where the attribute is not; "" where it may be left out
	secret  bool   // its value must not be printed

	// set stores a value, unless one of the problems it gives back is an error.
	set func(cty.Value) []problem
}

// problem is something wrong with a value.
type problem struct {
	severity Severity
	value    cty.Value
	summary  string // goes on from the attribute's name and value: "is negative"
	advice   string
}

func wrong(summary, advice string) *problem {
	return &problem{summary: summary, advice: advice}
}

// rule gives back what is wrong with a value, and nil where nothing is.
type rule[T any] func(T) *problem

// parser makes a Go value of an HCL one.
type parser[T any] func(cty.Value) (T, *problem)

// accept parses a value and holds it against the rules, up to the first that
// it breaks.
func accept[T any](v cty.Value, parse parser[T], rules []rule[T]) (T, *problem) {
	t, p := parse(v)
	for _, r := range rules {
		if p == nil {
			p = r(t)
		}
	}
	if p != nil {
		p.value = v
	}
	return t, p
}

// bind makes a field and sets *to to its default.
func bind[T any](name string, to *T, byDefault T, parse parser[T], rules ...rule[T]) field {
	*to = byDefault
	return field{name: name, set: func(v cty.Value) []problem {
		t, p := accept(v, parse, rules)
		if p == nil || p.severity != SeverityError {
			*to = t
		}
		if p == nil {
			return nil
		}
		return []problem{*p}
	}}
}

// list makes a field of any number of values, each of which has to keep the
// rules. An empty list is nil, so that equal files give equal Configs.
func list[T any](name string, to *[]T, byDefault []T, parse parser[T], rules ...rule[T]) field {
	*to = byDefault
	return field{name: name, set: func(v cty.Value) []problem {
		if kind := v.Type(); !kind.IsTupleType() && !kind.IsListType() && !kind.IsSetType() {
			return []problem{{value: v, summary: "is no list", advice: "write it in brackets: [ … ]"}}
		}
		var items []T
		var problems []problem
		for _, element := range v.Elements() {
			t, p := accept(element, parse, rules)
			if p != nil {
				problems = append(problems, *p)
			}
			items = append(items, t)
		}
		if problems == nil {
			*to = items
		}
		return problems
	}}
}

// text is a field of any text that keeps the rules.
func text(name string, to *string, byDefault string, rules ...rule[string]) field {
	return bind(name, to, byDefault, parseText, rules...)
}

// whole is a field of a whole number within bounds, both included.
func whole(name string, to *int, byDefault, low, high int) field {
	return bind(name, to, byDefault, parseWhole, between(low, high))
}

// count is a field of a whole number from 0 on.
func count(name string, to *int, byDefault int) field {
	return bind(name, to, byDefault, parseWhole, func(n int) *problem {
		if n < 0 || n > math.MaxInt32 {
			return wrong("is out of range", "write 0 or more")
		}
		return nil
	})
}

// boolean is a field of true or false.
func boolean(name string, to *bool, byDefault bool) field {
	return bind(name, to, byDefault, parseBool)
}

// duration is a field of a duration, which is never negative.
func duration(name string, to *time.Duration, byDefault time.Duration, rules ...rule[time.Duration]) field {
	return bind(name, to, byDefault, parseDuration, append([]rule[time.Duration]{notNegative}, rules...)...)
}

// required makes leaving the attribute out a mistake.
func (f field) required(write string) field {
	f.missing = write
	return f
}

// except makes writing the attribute a mistake where kind is one of kinds, for
// which it would do nothing. kind has to be read before f: attributes are read
// in the order of their spec, and blocks after them.
func (f field) except(kind *string, kinds ...string) field {
	set := f.set
	f.set = func(v cty.Value) []problem {
		if slices.Contains(kinds, *kind) {
			return []problem{{value: v, summary: "does nothing with " + *kind, advice: "remove it"}}
		}
		return set(v)
	}
	return f
}

// show writes a value for a message.
func show(v cty.Value) string {
	const long = 60
	switch {
	case v.IsNull():
		return "null"
	case v.Type() == cty.String:
		s := []rune(v.AsString())
		if len(s) > long {
			return fmt.Sprintf("%q…", string(s[:long]))
		}
		return fmt.Sprintf("%q", string(s))
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('g', 12)
	case v.Type() == cty.Bool:
		return fmt.Sprint(v.True())
	case v.Type().IsObjectType() || v.Type().IsMapType():
		return "{ … }"
	}
	return "[ … ]"
}
