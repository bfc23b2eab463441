package message

import (
	"bytes"
	"iter"
)

// Field is one line of a header. Its bytes belong to the message, and are good
// for as long as that is.
type Field struct {
	Key         Name
	Name, Value []byte
}

// Header is a list of fields in the order they were written. The zero value is
// empty and ready. It is used by one goroutine at a time. What it once grew to
// it keeps over Reset, so that in the long run filling it takes no memory.
type Header struct {
	fields []Field
	room   []byte // of values that were made here
}

// Reset empties h. Fields that were read from it before must not be used any
// more.
func (h *Header) Reset() { h.fields, h.room = h.fields[:0], h.room[:0] }

// Len is the number of fields.
func (h *Header) Len() int { return len(h.fields) }

// At is the i-th field, to be read or changed in place.
func (h *Header) At(i int) *Field { return &h.fields[i] }

// All goes through the fields in order.
func (h *Header) All() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for i := range h.fields {
			if !yield(h.fields[i]) {
				return
			}
		}
	}
}

// Append adds a field whose bytes the caller keeps for as long as the message
// lives.
func (h *Header) Append(f Field) { h.fields = append(h.fields, f) }

// Copy adds a field with a copy of its bytes.
func (h *Header) Copy(f Field) {
	name := textBytes[f.Key]
	if f.Key == Other {
		name = h.Keep(append(h.Room(), f.Name...))
	}
	h.fields = append(h.fields, Field{f.Key, name, h.Keep(append(h.Room(), f.Value...))})
}

// Add adds a field of a known name with a copy of value.
func (h *Header) Add(n Name, value string) {
	h.fields = append(h.fields, Field{n, textBytes[n], h.keep(value)})
}

// Set makes value the only one of a known name.
func (h *Header) Set(n Name, value string) {
	h.Del(n)
	h.Add(n, value)
}

// AddNamed adds a field of any name, copying both.
func (h *Header) AddNamed(name, value string) {
	kept := h.keep(name)
	h.fields = append(h.fields, Field{NameOf(kept), kept, h.keep(value)})
}

// SetNamed makes value the only one of any name.
func (h *Header) SetNamed(name, value string) {
	h.DelNamed(name)
	h.AddNamed(name, value)
}

// Get is the value of the first field of a known name; nil where there is
// none.
func (h *Header) Get(n Name) []byte {
	for i := range h.fields {
		if h.fields[i].Key == n {
			return h.fields[i].Value
		}
	}
	return nil
}

// GetNamed is the value of the first field of any name; nil where there is
// none.
func (h *Header) GetNamed(name string) []byte {
	for i := range h.fields {
		if equalFold(h.fields[i].Name, name) {
			return h.fields[i].Value
		}
	}
	return nil
}

// Has tells whether there is a field of a known name.
func (h *Header) Has(n Name) bool {
	for i := range h.fields {
		if h.fields[i].Key == n {
			return true
		}
	}
	return false
}

// Del removes all fields of a known name.
func (h *Header) Del(n Name) {
	if h.Has(n) {
		h.DelFunc(func(f *Field) bool { return f.Key == n })
	}
}

// DelNamed removes all fields of any name.
func (h *Header) DelNamed(name string) {
	h.DelFunc(func(f *Field) bool { return equalFold(f.Name, name) })
}

// DelBytes is DelNamed for a name that is bytes already.
func (h *Header) DelBytes(name []byte) {
	for i := range h.fields {
		if equalFold(h.fields[i].Name, name) {
			h.DelFunc(func(f *Field) bool { return equalFold(f.Name, name) })
			return
		}
	}
}

// DelFunc removes the fields for which del is true.
func (h *Header) DelFunc(del func(*Field) bool) {
	kept := h.fields[:0]
	for i := range h.fields {
		if !del(&h.fields[i]) {
			kept = append(kept, h.fields[i])
		}
	}
	h.fields = kept
}

// HasToken tells whether a list in the fields of a known name, separated by
// commas, has a token, in any case.
func (h *Header) HasToken(n Name, token string) bool {
	for i := range h.fields {
		if h.fields[i].Key != n {
			continue
		}
		for t := range Tokens(h.fields[i].Value) {
			if equalFold(t, token) {
				return true
			}
		}
	}
	return false
}

// Tokens goes through a list that is separated by commas, without the white
// space around its members and without empty ones.
func Tokens(list []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(list) > 0 {
			var t []byte
			t, list, _ = bytes.Cut(list, comma)
			if t = Trim(t); len(t) > 0 && !yield(t) {
				return
			}
		}
	}
}

var comma = []byte{','}

// Trim takes off the spaces and tabs at both ends.
func Trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// Room returns bytes of h's own to build a value in: append to them and give
// the outcome to Keep.
func (h *Header) Room() []byte { return h.room[len(h.room):] }

// Keep makes what was appended to Room part of h, and returns it. Where that
// has outgrown the room it lies by itself, and the room that follows is larger,
// so that it suffices the next time.
func (h *Header) Keep(b []byte) []byte {
	if free := h.room[len(h.room):]; len(b) <= cap(free) {
		h.room = h.room[:len(h.room)+len(b)]
	} else {
		h.room = make([]byte, 0, max(2*cap(h.room), 2*len(b), leastRoom))
	}
	return b[:len(b):len(b)]
}

const leastRoom = 256

func (h *Header) keep(s string) []byte { return h.Keep(append(h.Room(), s...)) }

var textBytes = func() (t [names][]byte) {
	for n, text := range texts {
		t[n] = []byte(text)
	}
	return t
}()

// Known is a field of a known name. The caller keeps value for as long as the
// message lives.
func Known(n Name, value []byte) Field { return Field{n, textBytes[n], value} }
