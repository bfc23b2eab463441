package catalog

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-bexpr/grammar"
)

// A filter decides which records of a list are answered. Consul's filters are
// go-bexpr expressions; it uses an old release of that library that checks
// selectors and operators against the record type beforehand and lets a
// selector run through lists (Checks.Status == critical: of any check). The
// release in use here has neither, so only its grammar is taken. What the
// newer grammar adds to the older is refused.
type filter func(record any) bool

// maxFilterSteps bounds the work of parsing one expression.
const maxFilterSteps = 100_000

// A filterError is a filter that cannot be used.
type filterError struct{ cause error }

func (e *filterError) Error() string {
	return "Failed to create boolean expression evaluator: " + e.cause.Error()
}

func (e *filterError) Unwrap() error { return e.cause }

// compileFilter makes a filter for records of type T; an empty expression
// keeps everything. The error is a *filterError.
func compileFilter[T any](expression string) (filter, error) {
	if expression == "" {
		return func(any) bool { return true }, nil
	}
	parsed, err := grammar.Parse("", []byte(expression), grammar.MaxExpressions(maxFilterSteps))
	if err != nil {
		return nil, &filterError{err}
	}
	test, err := compileExpression(reflect.TypeFor[T](), parsed)
	if err != nil {
		return nil, &filterError{err}
	}
	return func(record any) bool { return test(reflect.Indirect(reflect.ValueOf(record))) }, nil
}

// A predicate tests a record or a field of it.
type predicate func(reflect.Value) bool

func compileExpression(t reflect.Type, expression any) (predicate, error) {
	switch e := expression.(type) {
	case *grammar.UnaryExpression: // "not" is the only one
		operand, err := compileExpression(t, e.Operand)
		if err != nil {
			return nil, err
		}
		return func(v reflect.Value) bool { return !operand(v) }, nil
	case *grammar.BinaryExpression:
		left, err := compileExpression(t, e.Left)
		if err != nil {
			return nil, err
		}
		right, err := compileExpression(t, e.Right)
		if err != nil {
			return nil, err
		}
		if e.Operator == grammar.BinaryOpAnd {
			return func(v reflect.Value) bool { return left(v) && right(v) }, nil
		}
		return func(v reflect.Value) bool { return left(v) || right(v) }, nil
	case *grammar.MatchExpression:
		if e.Selector.Type != grammar.SelectorTypeBexpr {
			return nil, fmt.Errorf("Selector %q is not valid", e.Selector.String())
		}
		return compileMatch(t, e, 0)
	}
	return nil, fmt.Errorf("expressions of type %T are not supported", expression)
}

// compileMatch follows the selector of a match, from its depth'th part on,
// through type t, and ends in the test of the field it names.
func compileMatch(t reflect.Type, m *grammar.MatchExpression, depth int) (predicate, error) {
	path := m.Selector.Path
	if t.Kind() == reflect.Pointer {
		test, err := compileMatch(t.Elem(), m, depth)
		return func(v reflect.Value) bool { return test(v.Elem()) }, err
	}
	if depth == len(path) {
		return compileOperator(t, m)
	}
	switch {
	case t.Kind() == reflect.Struct:
		field, ok := t.FieldByName(path[depth])
		if !ok || !field.IsExported() || field.Tag.Get("bexpr") == "-" {
			break
		}
		test, err := compileMatch(field.Type, m, depth+1)
		return func(v reflect.Value) bool { return test(v.FieldByIndex(field.Index)) }, err
	case t.Kind() == reflect.Map:
		test, err := compileMatch(t.Elem(), m, depth+1)
		key := reflect.ValueOf(path[depth])
		return func(v reflect.Value) bool {
			value := v.MapIndex(key)
			if !value.IsValid() {
				return m.Operator.NotPresentDisposition()
			}
			return test(value)
		}, err
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.String:
		test, err := compileMatch(t.Elem(), m, depth)
		return func(v reflect.Value) bool {
			for i := range v.Len() {
				if test(v.Index(i)) {
					return true
				}
			}
			return false
		}, err
	}
	return nil, fmt.Errorf("Selector %q is not valid", strings.Join(path[:depth+1], "."))
}

// compileOperator tests a field of type t.
func compileOperator(t reflect.Type, m *grammar.MatchExpression) (predicate, error) {
	var text string
	if m.Value != nil {
		text = m.Value.Raw
	}
	has := func(v reflect.Value) bool { return strings.Contains(v.String(), text) }
	switch t.Kind() {
	case reflect.Slice:
		has = func(v reflect.Value) bool { return slices.Contains(v.Interface().([]string), text) }
		if t.Elem().Kind() != reflect.String {
			has = nil // lists of records can only be empty or not
		}
	case reflect.Map:
		has = func(v reflect.Value) bool { return v.MapIndex(reflect.ValueOf(text)).IsValid() }
	}
	scalar := t.Kind() == reflect.String || t.Kind() == reflect.Bool || t.Kind() == reflect.Int
	list := t.Kind() == reflect.Slice || t.Kind() == reflect.Map
	var test predicate
	switch m.Operator {
	case grammar.MatchEqual, grammar.MatchNotEqual:
		if scalar {
			want, err := coerce(t.Kind(), m)
			if err != nil {
				return nil, err
			}
			test = func(v reflect.Value) bool { return v.Equal(want.Convert(v.Type())) }
		}
	case grammar.MatchIn, grammar.MatchNotIn, grammar.MatchContains:
		if t.Kind() == reflect.String || list {
			test = has
		}
	case grammar.MatchIsEmpty, grammar.MatchIsNotEmpty:
		if list {
			test = func(v reflect.Value) bool { return v.Len() == 0 }
		}
	case grammar.MatchMatches, grammar.MatchNotMatches:
		if t.Kind() == reflect.String {
			pattern, err := regexp.Compile(text)
			if err != nil {
				return nil, fmt.Errorf("Failed to compile regular expression %q: %w", text, err)
			}
			test = func(v reflect.Value) bool { return pattern.MatchString(v.String()) }
		}
	}
	if test == nil {
		return nil, fmt.Errorf("Invalid match operator %q for selector %q", m.Operator, m.Selector)
	}
	switch m.Operator {
	case grammar.MatchNotEqual, grammar.MatchNotIn, grammar.MatchIsNotEmpty, grammar.MatchNotMatches:
		return func(v reflect.Value) bool { return !test(v) }, nil
	}
	return test, nil
}

// coerce reads the value of a match as what it is compared with.
func coerce(kind reflect.Kind, m *grammar.MatchExpression) (reflect.Value, error) {
	var value any = m.Value.Raw
	var err error
	switch kind {
	case reflect.Bool:
		value, err = strconv.ParseBool(m.Value.Raw)
	case reflect.Int:
		value, err = strconv.ParseInt(m.Value.Raw, 0, 64)
	}
	if err != nil {
		return reflect.Value{}, fmt.Errorf("Failed to coerce value %q for selector %q: %w", m.Value.Raw, m.Selector, err)
	}
	return reflect.ValueOf(value), nil
}
