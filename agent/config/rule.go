package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/go-bexpr"
)

// oneOf lets only the options pass.
func oneOf(options ...string) rule[string] {
	return func(s string) *problem {
		if slices.Contains(options, s) {
			return nil
		}
		if option, ok := nearest(s, options); ok {
			return wrong("is unknown", `did you mean "`+option+`"?`)
		}
		return wrong("is unknown", "write one of "+strings.Join(options, ", "))
	}
}

// nearest finds the option that a mistyped or shortened name stands for.
func nearest(name string, options []string) (string, bool) {
	name = strings.ToLower(name)
	best, distance := "", 3
	for _, option := range options {
		d := levenshtein.Distance(name, option, nil)
		if len(name) >= 3 && (strings.HasPrefix(option, name) || strings.HasPrefix(name, option)) {
			d = min(d, 2)
		}
		if d < distance && 2*d <= len(option) { // two letters of three are no likeness
			best, distance = option, d
		}
	}
	return best, best != ""
}

// between lets values from low to high pass, both included.
func between[T cmp.Ordered](low, high T) rule[T] {
	return func(v T) *problem {
		if low <= v && v <= high {
			return nil
		}
		return wrong("is out of range", fmt.Sprintf("write %v to %v", low, high))
	}
}

func notNegative(d time.Duration) *problem {
	if d < 0 {
		return wrong("is negative", "write a duration without the minus")
	}
	return nil
}

func atLeast(low time.Duration) rule[time.Duration] {
	return func(d time.Duration) *problem {
		if d < low {
			return wrong("is too short", fmt.Sprintf("write %q or more", low))
		}
		return nil
	}
}

func atMost(high time.Duration) rule[time.Duration] {
	return func(d time.Duration) *problem {
		if d > high {
			return wrong("is too long", fmt.Sprintf("write %q or less", high))
		}
		return nil
	}
}

// printable keeps line breaks and other control characters out of headers and
// logs.
func printable(s string) *problem {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return wrong("holds a control character", "remove it")
	}
	return nil
}

func notEmpty(s string) *problem {
	if s == "" {
		return wrong("is empty", "write its value or remove the line")
	}
	return nil
}

// orEmpty lets "" pass beside what keeps r.
func orEmpty(r rule[string]) rule[string] {
	return func(s string) *problem {
		if s == "" {
			return nil
		}
		return r(s)
	}
}

// oneWord is the rule for a token, whose value must not stand in a message.
func oneWord(s string) *problem {
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return wrong("holds a space or a line break", "write the token alone")
	}
	return nil
}

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// labelName is the rule for the names of upstreams and servers, which stand in
// metrics and in the paths of the admin listener.
func labelName(s string) *problem {
	if !labelPattern.MatchString(s) {
		return wrong("is no valid name", "use letters, digits, '_', '.' and '-', and begin with a letter or digit")
	}
	return nil
}

// consulName is the rule for what goes into the path or the query of a request
// to Consul.
func consulName(s string) *problem {
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("/\\\"'`?#%&", r) {
			return wrong(fmt.Sprintf("holds %q", r), "a name in Consul has no slash, quote, space or any of \\ ? # % &")
		}
	}
	return nil
}

// filterExpression is the rule for a filter, in the grammar Consul reads.
func filterExpression(s string) *problem {
	if _, err := bexpr.CreateEvaluator(s); err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		return wrong("is no filter", `write one such as Service.Meta.version == "2" (`+reason+")")
	}
	return nil
}

// requestPath is the rule for the path of an http check.
func requestPath(s string) *problem {
	if !strings.HasPrefix(s, "/") {
		return wrong("does not begin with a slash", `write one such as "/health"`)
	}
	return visibleASCII(s)
}

// hostHeader is the rule for a Host header.
func hostHeader(s string) *problem {
	if strings.ContainsAny(s, "/@?#") {
		return wrong("is no host", `write a name, or a name and a port, such as "web.internal:8080"`)
	}
	return visibleASCII(s)
}

func visibleASCII(s string) *problem {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return wrong("holds a character that HTTP has no place for", "write it in ASCII without spaces")
	}
	return nil
}

// hashKey is the rule for hash_on.
func hashKey(s string) *problem {
	kind, name, _ := strings.Cut(s, ":")
	switch {
	case s == "client_ip" || s == "path" || (kind == "header" || kind == "cookie") && isToken(name):
		return nil
	case kind == "header" || kind == "cookie":
		return wrong("has no valid name after a colon", `write one such as "`+kind+`:X-Session"`)
	}
	if option, ok := nearest(kind, []string{"client_ip", "path", "header", "cookie"}); ok {
		return wrong("is unknown", `did you mean "`+strings.Replace(s, kind, option, 1)+`"?`)
	}
	return wrong("is unknown", "write one of client_ip, path, header:NAME, cookie:NAME")
}

// metaKey is the rule for where to read something of an instance: a key of its
// node's or its own metadata, or one of the words.
func metaKey(words ...string) rule[string] {
	return func(s string) *problem {
		kind, key, _ := strings.Cut(s, ":")
		switch {
		case slices.Contains(words, s), (kind == "node_meta" || kind == "service_meta") && metaPattern.MatchString(key):
			return nil
		case kind == "node_meta" || kind == "service_meta":
			return wrong("has no valid key after a colon", `write one such as "`+kind+`:rack": letters, digits, '_' and '-'`)
		}
		options := append(slices.Clone(words), "node_meta", "service_meta")
		if option, ok := nearest(kind, options); ok {
			return wrong("is unknown", `did you mean "`+strings.Replace(s, kind, option, 1)+`"?`)
		}
		return wrong("is unknown", "write one of "+strings.Join(append(slices.Clone(words), "node_meta:KEY", "service_meta:KEY"), ", "))
	}
}

// metaPattern is what Consul takes as a key of metadata.
var metaPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// isToken tells what may be the name of a header or a cookie: RFC 9110, 5.6.2.
func isToken(s string) bool {
	return s != "" && visibleASCII(s) == nil && !strings.ContainsAny(s, `"(),/:;<=>?@[\]{}`)
}
