package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what testdata/mistakes/*.txt should hold")

// TestMistakes holds the report on each file of mistakes against the text that
// stands beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of mistakes: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, diags := Load(name)
			if diags.HasErrors() == strings.Contains(name, "warnings") {
				t.Errorf("HasErrors() = %v", diags.HasErrors())
			}
			got := diags.Error() + "\n"
			beside := strings.TrimSuffix(name, ".hcl") + ".txt"
			if *update {
				if err := os.WriteFile(beside, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(beside)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if strings.Contains(got, "5ecret") {
				t.Error("the report gives a token away")
			}
		})
	}
}
