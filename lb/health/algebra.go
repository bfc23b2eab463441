package health

import (
	"fmt"
	"slices"
	"strings"
)

// Algebra is how the catalog's word on a server and that of this process's own
// probes become one. Whichever it is, maintenance and absence drain, and
// failed requests eject; and where only one of the two has a word, it counts.
type Algebra uint8

const (
	MergeWorst   Algebra = iota // zero value, "worst": both must be for it, see Policy.Merge
	MergeCatalog                // "catalog": the catalog decides; probes are shown and change nothing
	MergeProbe                  // "probe": a probe that has decided decides, else the catalog
	MergeAny                    // "any": one that is for it is enough
)

var algebras = []string{"worst", "catalog", "probe", "any"}

// String gives the word that configuration and status pages use.
func (a Algebra) String() string { return name(a, algebras...) }

// MarshalText gives the same word as String.
func (a Algebra) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads one of the words "worst", "catalog", "probe" and "any".
func (a *Algebra) UnmarshalText(text []byte) error { return parse(a, text, algebras) }

// Warnings is what becomes of a server whose catalog checks warn.
type Warnings uint8

const (
	WarningReduced Warnings = iota // zero value, "reduced": it gets Declaration.WarningWeight
	WarningPassing                 // "passing": its full weight
	WarningOut                     // "out": nothing
)

var warnings = []string{"reduced", "passing", "out"}

// String gives the word that configuration and status pages use.
func (w Warnings) String() string { return name(w, warnings...) }

// MarshalText gives the same word as String.
func (w Warnings) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads one of the words "reduced", "passing" and "out".
func (w *Warnings) UnmarshalText(text []byte) error { return parse(w, text, warnings) }

func parse[T ~uint8](v *T, text []byte, names []string) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("health: %q is none of %s", text, strings.Join(names, ", "))
	}
	*v = T(i)
	return nil
}
