package config

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity tells a mistake from a remark. Its zero value is an error.
type Severity int

// An error keeps the configuration from being used; a warning does not.
const (
	SeverityError Severity = iota
	SeverityWarning
)

// Diagnostic is one problem of a configuration and where it is. Lines and
// columns count from 1 and columns count characters, as HCL's do; EndCol is
// just past the last one. Line 0 means that the problem has no place in the
// file, and an empty File that it is in no file.
type Diagnostic struct {
	Severity        Severity
	File            string // as it was given to Load or Parse
	Line, Col       int
	EndLine, EndCol int
	Summary         string // what is wrong
	Detail          string // what to do about it; may be empty
	Source          string // the line at Line; empty where it holds a secret
}

// Diagnostics lists problems by file, line and column. It is an error value to
// hand on only where HasErrors says so.
type Diagnostics []Diagnostic

// HasErrors tells whether any problem is more than a warning.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == SeverityError })
}

// Error is the text that Write writes, without the last newline.
func (ds Diagnostics) Error() string {
	var text strings.Builder
	_ = ds.Write(&text) // a strings.Builder never fails
	return strings.TrimSuffix(text.String(), "\n")
}

// Write prints every problem as "file:line,col-col: summary; detail", followed
// by its source line with the place underlined. It returns w's error.
func (ds Diagnostics) Write(w io.Writer) error {
	for _, d := range ds {
		if _, err := io.WriteString(w, d.String()+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// String is the problem as Write prints it, without the last newline.
func (d Diagnostic) String() string {
	var text strings.Builder
	if d.File != "" {
		fmt.Fprintf(&text, "%s%s: ", d.File, d.position())
	}
	if d.Severity == SeverityWarning {
		text.WriteString("warning: ")
	}
	text.WriteString(d.Summary)
	if d.Detail != "" {
		text.WriteString("; " + d.Detail)
	}
	if strings.TrimSpace(d.Source) != "" {
		fmt.Fprintf(&text, "\n    %s\n    %s", d.Source, d.underline())
	}
	return text.String()
}

func (d Diagnostic) position() string {
	switch {
	case d.Line == 0:
		return ""
	case d.Line == d.EndLine:
		return fmt.Sprintf(":%d,%d-%d", d.Line, d.Col, d.EndCol)
	}
	return fmt.Sprintf(":%d,%d-%d,%d", d.Line, d.Col, d.EndLine, d.EndCol)
}

// underline is a line of carets to stand below Source. It keeps Source's tabs,
// so that both lines are indented alike whatever the width of a tab.
func (d Diagnostic) underline() string {
	var line strings.Builder
	for i, r := range []rune(d.Source) {
		switch {
		case i >= d.Col-1:
		case r == '\t':
			line.WriteByte('\t')
		default:
			line.WriteByte(' ')
		}
	}
	end := d.EndCol
	if d.EndLine > d.Line {
		end = utf8.RuneCountInString(d.Source) + 1
	}
	line.WriteString(strings.Repeat("^", max(1, end-d.Col)))
	return line.String()
}

func (ds Diagnostics) sort() {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Summary, b.Summary),
		)
	})
}
