package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// decoder reads blocks by their specs and collects every problem on the way,
// so that one mistake never hides another.
type decoder struct {
	lines map[string][][]byte // of each file
	diags Diagnostics

	// broken holds where files do not parse. They are read all the same, but
	// what is absent from them is no mistake, as it may stand in the part that
	// was lost, and neither is a value that a break runs through.
	broken map[string][]hcl.Range
}

// decode reads all files as one configuration. unread are the problems of files
// that could not be read; names says what the user gave.
func decode(files []file, names string, unread Diagnostics) (Config, Diagnostics) {
	d := &decoder{lines: map[string][][]byte{}, broken: map[string][]hcl.Range{}, diags: unread}
	var bodies []*hclsyntax.Body
	for _, f := range files {
		bodies = append(bodies, d.parse(f))
	}
	var c Config
	d.read(&block{title: "the configuration", contents: bodies}, c.spec())
	if len(c.Upstreams) == 0 && c.Service == nil && len(unread) == 0 && len(d.broken) == 0 {
		d.diags = append(d.diags, Diagnostic{
			File: names, Summary: "there is no upstream, so there is nothing to do",
			Detail: `write upstream "NAME" { … } with a listen address and a consul block or server blocks`,
		})
	}
	d.diags.sort()
	if d.diags.HasErrors() {
		return Config{}, d.diags
	}
	return c, d.diags
}

// parse reads the syntax of one file and reports where it breaks.
func (d *decoder) parse(f file) *hclsyntax.Body {
	d.lines[f.name] = bytes.Split(f.src, []byte("\n"))
	parsed, diags := hclsyntax.ParseConfig(f.src, f.name, hcl.InitialPos)
	for i, h := range diags {
		d.broken[f.name] = append(d.broken[f.name], subject(h))
		// A missing quote is found again on every line up to the next quote.
		if i > 0 && h.Summary == diags[i-1].Summary && subject(h).Start.Line == subject(diags[i-1]).End.Line {
			continue
		}
		d.reportHCL(h)
	}
	return parsed.Body.(*hclsyntax.Body) // as ParseConfig promises
}

// read fills b from its contents: attributes in the order of the spec, then
// blocks, then the rules across both.
func (d *decoder) read(b *block, s spec) {
	b.decoder = d
	b.given, b.faulty, b.blocks = map[string]hclsyntax.Expression{}, map[string]bool{}, map[string][]*block{}
	b.reportUnknown(s)
	for _, f := range s.fields {
		d.readField(b, f)
	}
	for _, c := range s.blocks {
		for _, body := range b.contents {
			for _, found := range body.Blocks {
				if found.Type == c.name {
					d.readBlock(b, c, found)
				}
			}
		}
	}
	if s.done != nil {
		s.done(b)
	}
}

func (d *decoder) readField(b *block, f field) {
	for _, body := range b.contents {
		attribute := body.Attributes[f.name]
		if attribute == nil {
			continue
		}
		value, ok := d.evaluate(attribute.Expr)
		if ok && value.IsNull() {
			continue // as if it were not written, which is what null means in HCL
		}
		b.given[f.name], b.faulty[f.name] = attribute.Expr, !ok
		if !ok {
			continue
		}
		for _, p := range f.set(value) {
			b.faulty[f.name] = b.faulty[f.name] || p.severity == SeverityError
			what := f.name
			if !f.secret {
				what += " " + show(p.value)
			}
			d.report(p.severity, attribute.Expr.Range(), what+" "+p.summary, p.advice)
		}
	}
	if f.missing != "" && !b.has(f.name) {
		d.reportAbsence(b.header, b.title+" has no "+f.name, f.missing)
	}
}

func (d *decoder) readBlock(parent *block, c child, found *hclsyntax.Block) {
	b := &block{title: c.name, header: found.DefRange()}
	for _, l := range found.Labels {
		b.title += " " + strconv.Quote(l)
	}
	if found.Body != nil { // the parser may lose it in a mistake
		b.contents = []*hclsyntax.Body{found.Body}
	}
	label := ""
	switch {
	case c.label == nil && len(found.Labels) > 0:
		d.report(SeverityError, found.LabelRanges[0], c.name+" takes no name", "write "+c.name+" { … }")
	case c.label != nil && len(found.Labels) != 1:
		d.reportAbsence(b.header, c.name+" takes one name", "write "+c.head()+" { … }")
	case c.label != nil:
		label = found.Labels[0]
		if p := c.label(label); p != nil {
			d.report(SeverityError, found.LabelRanges[0], b.title+" "+p.summary, p.advice)
		}
	}
	what, advice := c.name+" block", "there can be only one"
	if c.many {
		what, advice = b.title, "give this one another name"
		if c.name == "check" {
			advice = "there can be one of each type"
		}
	}
	for _, earlier := range parent.blocks[c.name] {
		if !c.many || c.label != nil && earlier.title == b.title {
			d.report(SeverityError, b.header, "this is a second "+what, "the first is at "+line(earlier.header)+": "+advice)
			break
		}
	}
	d.read(b, c.spec(label))
	parent.blocks[c.name] = append(parent.blocks[c.name], b)
}

// secretLine finds lines that are not to be printed, whatever is wrong in them.
var secretLine = regexp.MustCompile(`\b(token\s*=|headers?\s*=\s*\{)`)

// report adds a problem at a place in the files.
func (d *decoder) report(s Severity, at hcl.Range, summary, detail string) {
	diag := Diagnostic{
		Severity: s, Summary: summary, Detail: detail, File: at.Filename,
		Line: at.Start.Line, Col: at.Start.Column, EndLine: at.End.Line, EndCol: at.End.Column,
	}
	if lines := d.lines[at.Filename]; 0 < diag.Line && diag.Line <= len(lines) {
		if source := lines[diag.Line-1]; !secretLine.Match(source) {
			diag.Source = string(bytes.TrimSuffix(source, []byte("\r")))
		}
	}
	d.diags = append(d.diags, diag)
}

// reportAbsence adds a mistake that consists of something not being there.
func (d *decoder) reportAbsence(at hcl.Range, summary, detail string) {
	if len(d.broken[at.Filename]) == 0 {
		d.report(SeverityError, at, summary, detail)
	}
}

// reportHCL adds what the HCL library found, in the manner of our own.
func (d *decoder) reportHCL(diags ...*hcl.Diagnostic) {
	for _, h := range diags {
		d.report(SeverityError, subject(h), ours(h.Summary), ours(h.Detail)) // its syntax has no warnings
	}
}

// subject is where a problem is that HCL found; the zero Range is nowhere.
func subject(h *hcl.Diagnostic) hcl.Range {
	if h.Subject == nil {
		return hcl.Range{}
	}
	return *h.Subject
}

// ours turns a sentence into a part of one: a line that begins small.
func ours(sentence string) string {
	s := strings.TrimSuffix(strings.Join(strings.Fields(sentence), " "), ".")
	if s == "" {
		return s
	}
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(first)) + s[size:]
}

func line(at hcl.Range) string { return fmt.Sprintf("%s:%d", at.Filename, at.Start.Line) }
