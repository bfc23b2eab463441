package config

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Values come from text as well as from what HCL writes without quotes, since
// env.NAME and file("path") are always text.

func parseText(v cty.Value) (string, *problem) {
	t, err := convert.Convert(v, cty.String)
	if err != nil || t.IsNull() {
		return "", wrong("is not text", "write one text in quotes")
	}
	return t.AsString(), nil
}

// parseTexts reads texts by name. None is nil, so that equal files give equal
// Configs.
func parseTexts(v cty.Value) (map[string]string, *problem) {
	if kind := v.Type(); !kind.IsObjectType() && !kind.IsMapType() {
		return nil, wrong("is no map", `write names and texts in braces: { name = "text" }`)
	}
	var texts map[string]string
	elements := v.AsValueMap()
	for _, name := range slices.Sorted(maps.Keys(elements)) {
		t, p := parseText(elements[name])
		if p != nil {
			return nil, wrong("has at "+strconv.Quote(name)+" what is no text", "write one text in quotes")
		}
		if texts == nil {
			texts = make(map[string]string)
		}
		texts[name] = t
	}
	return texts, nil
}

func parseBool(v cty.Value) (bool, *problem) {
	t, err := convert.Convert(v, cty.Bool)
	if err != nil || t.IsNull() {
		return false, wrong("is neither true nor false", "write true or false")
	}
	return t.True(), nil
}

func parseNumber(v cty.Value) (float64, *problem) {
	t, err := convert.Convert(v, cty.Number)
	if err != nil || t.IsNull() || outsized(t.AsBigFloat()) {
		return 0, wrong("is no number", "write one such as 0.5")
	}
	f, _ := t.AsBigFloat().Float64()
	return f, nil
}

func parseWhole(v cty.Value) (int, *problem) {
	t, err := convert.Convert(v, cty.Number)
	if err != nil || t.IsNull() || outsized(t.AsBigFloat()) || !t.AsBigFloat().IsInt() {
		return 0, wrong("is no whole number", "write one such as 10")
	}
	i, _ := t.AsBigFloat().Int64() // what does not fit becomes the bound, which no rule lets pass
	return int(i), nil
}

func parseDuration(v cty.Value) (time.Duration, *problem) {
	s, p := parseText(v)
	if p != nil {
		return 0, wrong("is no duration", `write one such as "5s"`)
	}
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, wrong("has no unit", `write "`+s+`s" for seconds`)
	}
	return 0, wrong("is no duration", `write a number with ms, s, m or h, such as "250ms", "5s" or "1h30m"`)
}

var sizePattern = regexp.MustCompile(`^([0-9]+) ?(|B|KiB|MiB)$`)

// parseSize reads a number of bytes, alone or with a unit.
func parseSize(v cty.Value) (int, *problem) {
	advice := `write a number of bytes, or one with a unit such as "64KiB" or "1MiB"`
	s, p := parseText(v)
	if p != nil {
		return 0, wrong("is no size", advice)
	}
	parts := sizePattern.FindStringSubmatch(s)
	if parts == nil {
		return 0, wrong("is no size", advice)
	}
	n, err := strconv.Atoi(parts[1])
	unit := map[string]int{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[parts[2]]
	if err != nil || n > math.MaxInt32/unit {
		return 0, wrong("is too large", advice)
	}
	return n * unit, nil
}

var statusPattern = regexp.MustCompile(`^([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?$`)

// parseStatus reads one status code or two with a dash between them.
func parseStatus(v cty.Value) (StatusRange, *problem) {
	advice := `write codes from 100 to 599 such as "200" or "200-399"`
	s, p := parseText(v)
	if p != nil {
		return StatusRange{}, wrong("is no status", advice)
	}
	parts := statusPattern.FindStringSubmatch(strings.TrimSpace(s))
	if parts == nil {
		return StatusRange{}, wrong("is no status", advice)
	}
	from, _ := strconv.Atoi(parts[1]) // the pattern lets only digits pass
	to := from
	if parts[2] != "" {
		to, _ = strconv.Atoi(parts[2])
	}
	if to < from {
		return StatusRange{}, wrong("ends before it begins", advice)
	}
	return StatusRange{From: from, To: to}, nil
}
