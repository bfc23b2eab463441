package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// spec says what may stand in one kind of block and where in the Config each
// value goes. Making a spec gives every value that it is bound to its default;
// reading a block by it replaces those that are written.
//
// A new attribute is a field in config.go, its line in the spec of its block,
// and its line in agent.hcl.
type spec struct {
	fields []field
	blocks []child
	done   func(*block) // the rules across attributes, once all are read; may be nil
}

// child is a kind of block that may stand inside another.
type child struct {
	name    string
	example string       // its label in advice; "" where it has none
	label   rule[string] // nil where it has none
	many    bool         // any number instead of one at most; those with labels need labels of their own
	spec    func(label string) spec
}

// one is a block without a label whose values have their defaults even where it
// is not written. A second one starts from the defaults again, so that its own
// mistakes are found.
func one(name string, fresh func() spec) child {
	fresh()
	return child{name: name, spec: func(string) spec { return fresh() }}
}

// head is how the first line of such a block looks.
func (c child) head() string {
	if c.label == nil {
		return c.name
	}
	return c.name + ` "` + c.example + `"`
}

func (s spec) field(name string) bool {
	return slices.ContainsFunc(s.fields, func(f field) bool { return f.name == name })
}

func (s spec) block(name string) bool {
	return slices.ContainsFunc(s.blocks, func(c child) bool { return c.name == name })
}

// names lists what may stand in the block.
func (s spec) names() []string {
	var names []string
	for _, f := range s.fields {
		names = append(names, f.name)
	}
	for _, c := range s.blocks {
		names = append(names, c.name)
	}
	return names
}

// advise says what to do about a name that s does not know.
func (s spec) advise(name string) string {
	if known, ok := nearest(name, s.names()); ok {
		return `did you mean "` + known + `"?`
	}
	var homes []string
	for _, c := range s.blocks {
		if inner := c.spec(c.example); inner.field(name) || inner.block(name) {
			homes = append(homes, c.head()+" { "+name+" … }")
		}
	}
	if homes != nil {
		return "it belongs one block further in: " + strings.Join(homes, " or ")
	}
	return "known here: " + strings.Join(s.names(), ", ")
}

// block is one block of the files as it was read; the files together are one
// too, which has no header.
type block struct {
	title    string    // what messages call it
	header   hcl.Range // its type and labels
	given    map[string]hclsyntax.Expression
	faulty   map[string]bool // of those given
	blocks   map[string][]*block
	decoder  *decoder
	contents []*hclsyntax.Body
}

// has tells whether an attribute is written, soundly or not.
func (b *block) has(name string) bool { return b.given[name] != nil }

// sound tells that none of the attributes is written with a mistake, so that
// the values they are bound to are what the user meant.
func (b *block) sound(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return b.faulty[name] })
}

// at is where an attribute that is written has its value.
func (b *block) at(name string) hcl.Range { return b.given[name].Range() }

// reject reports a mistake at the value of an attribute that is written.
func (b *block) reject(name, summary, detail string) {
	b.decoder.report(SeverityError, b.at(name), summary, detail)
}

// reportUnknown reports every name in the block that s does not know.
func (b *block) reportUnknown(s spec) {
	for _, body := range b.contents {
		for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
			at := body.Attributes[name].NameRange
			switch {
			case s.field(name):
			case s.block(name):
				b.decoder.report(SeverityError, at, name+" is a block, not an attribute", "write "+name+" { … } without the =")
			default:
				b.decoder.report(SeverityError, at, b.title+` knows no attribute "`+name+`"`, s.advise(name))
			}
		}
		for _, found := range body.Blocks {
			switch name := found.Type; {
			case s.block(name):
			case s.field(name):
				b.decoder.report(SeverityError, found.TypeRange, name+" is an attribute, not a block", "write "+name+" = …")
			default:
				b.decoder.report(SeverityError, found.TypeRange, b.title+` knows no block "`+name+`"`, s.advise(name))
			}
		}
	}
}
