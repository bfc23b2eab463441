// Package rewrite changes the headers of messages by rules that an operator
// writes. Rules are compiled once, and applying them takes no memory.
package rewrite

import (
	"maps"
	"slices"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// Rules say how a header is changed, by the names of fields in any case:
// first fields are removed, then set, which replaces what was there, then
// added. The zero value changes nothing.
type Rules struct {
	Set    map[string]string
	Add    map[string]string
	Remove []string
}

// Edits are rules that are compiled. They may be used by many goroutines at
// once. A nil *Edits changes nothing.
type Edits struct {
	remove []field
	set    []field
	add    []field
}

// field is a name, and the value it gets where it gets one.
type field struct {
	key   message.Name
	name  []byte
	value template
}

// Compile makes rules fit for use. What CheckName or CheckValue finds fault
// with is left out, so that no rule, wherever it comes from, can change how a
// message is framed. Rules without effect are nil.
func Compile(r Rules) *Edits {
	var e Edits
	for _, name := range r.Remove {
		if CheckName(name) == nil {
			e.remove = append(e.remove, named(name))
		}
	}
	e.set, e.add = compiled(r.Set), compiled(r.Add)
	if e.remove == nil && e.set == nil && e.add == nil {
		return nil
	}
	return &e
}

// compiled is in the order of names, so that it is the same each time.
func compiled(values map[string]string) (fields []field) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value, err := parse(values[name])
		if err != nil || CheckName(name) != nil {
			continue
		}
		f := named(name)
		f.value = value
		fields = append(fields, f)
	}
	return fields
}

func named(name string) field { return field{key: message.NameOf([]byte(name)), name: []byte(name)} }

// Apply changes h. Where a value comes out empty, since a variable has none,
// there will be no such field; set still takes away what was there, which
// nobody but the rule is to say.
func (e *Edits) Apply(h *message.Header, v Values) {
	if e == nil {
		return
	}
	for i := range e.remove {
		e.remove[i].removeFrom(h)
	}
	for i := range e.set {
		// The value first: it may be made of the field itself.
		value := e.set[i].valueIn(h, v)
		e.set[i].removeFrom(h)
		e.set[i].addTo(h, value)
	}
	for i := range e.add {
		e.add[i].addTo(h, e.add[i].valueIn(h, v))
	}
}

func (f *field) removeFrom(h *message.Header) {
	if f.key != message.Other {
		h.Del(f.key)
		return
	}
	h.DelBytes(f.name)
}

func (f *field) valueIn(h *message.Header, v Values) []byte {
	if f.value.fixed != nil {
		return f.value.fixed
	}
	return message.Trim(h.Keep(f.value.append(h.Room(), v)))
}

func (f *field) addTo(h *message.Header, value []byte) {
	if len(value) > 0 {
		h.Append(message.Field{Key: f.key, Name: f.name, Value: value})
	}
}
