package config

import (
	"errors"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

func hclRange(d Diagnostic) hcl.Range {
	return hcl.Range{Filename: d.File, Start: hcl.Pos{Line: d.Line}}
}

func TestDiagnosticText(t *testing.T) {
	tests := []struct {
		name string
		d    Diagnostic
		want string
	}{
		{"nowhere", Diagnostic{Summary: "nothing"}, "nothing"},
		{"a file", Diagnostic{File: "a.hcl", Summary: "cannot read", Detail: "no such file"}, "a.hcl: cannot read; no such file"},
		{"a warning",
			Diagnostic{Severity: SeverityWarning, File: "a.hcl", Line: 1, Col: 2, EndLine: 1, EndCol: 4, Summary: "odd", Source: "abcd"},
			"a.hcl:1,2-4: warning: odd\n    abcd\n     ^^"},
		{"behind tabs and letters of several bytes",
			Diagnostic{File: "a.hcl", Line: 3, Col: 6, EndLine: 3, EndCol: 8, Summary: "wrong", Source: "\té é\tyz"},
			"a.hcl:3,6-8: wrong\n    \té é\tyz\n    \t   \t^^"},
		{"over several lines",
			Diagnostic{File: "a.hcl", Line: 3, Col: 2, EndLine: 5, EndCol: 1, Summary: "wrong", Source: "abcd"},
			"a.hcl:3,2-5,1: wrong\n    abcd\n     ^^^"},
		{"no width", Diagnostic{File: "a.hcl", Line: 1, Col: 5, EndLine: 1, EndCol: 5, Summary: "wrong", Source: "abcd"},
			"a.hcl:1,5-5: wrong\n    abcd\n        ^"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := (Diagnostics{test.d}).Error(); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteReturnsError(t *testing.T) {
	if err := (Diagnostics{{Summary: "nothing"}}).Write(full{}); !errors.Is(err, errFull) {
		t.Errorf("Write() = %v", err)
	}
	if (Diagnostics{{Severity: SeverityWarning}}).HasErrors() {
		t.Error("a warning counts as an error")
	}
}
