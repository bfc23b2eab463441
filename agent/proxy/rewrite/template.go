package rewrite

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Variable is something known of an exchange that a value can name.
type Variable int

// The variables there are. A value names one in braces: {client_ip}.
const (
	ClientIP       Variable = iota // of who connects; nothing over a unix socket
	Host                           // of the request
	Method                         // of the request
	Path                           // of the request, without the query
	RequestID                      // the request's X-Request-Id
	Upstream                       // its name
	BackendID                      // of the backend that is asked
	BackendAddress                 // the same one's host and port
	variables                      // how many there are
)

var names = [variables]string{"client_ip", "host", "method", "path", "request_id", "upstream", "backend_id", "backend_address"}

// Variables lists the names of all variables.
func Variables() []string { return slices.Clone(names[:]) }

// Values is where a template has the values of variables from.
type Values interface {
	// AppendVariable appends what v stands for, which may be nothing.
	AppendVariable(to []byte, v Variable) []byte
}

// template is a value with variables in it.
type template struct {
	parts []part
	fixed []byte // the whole value where it has no variables
}

type part struct {
	text     string // before the variable
	variable Variable
	last     bool // there is no variable
}

// CheckValue tells what is wrong with a value; nil where nothing is. It never
// repeats the value, which may be a secret.
func CheckValue(value string) error {
	_, err := parse(value)
	return err
}

var (
	errEmpty   = errors.New("is empty: remove takes a header away")
	errPadded  = errors.New("begins or ends with a space")
	errControl = errors.New("holds a character that HTTP has no place for")
)

// parse reads a value. A brace that does not enclose what could be the name of
// a variable stands for itself, so that JSON can be written as it is.
func parse(value string) (t template, err error) {
	switch {
	case value == "":
		return t, errEmpty
	case strings.Trim(value, " ") != value:
		return t, errPadded
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }):
		return t, errControl
	}
	text := ""
	for rest := value; rest != ""; {
		before, name, after, found := cut(rest)
		text += before
		if !found {
			break
		}
		v := slices.Index(names[:], name)
		if v < 0 {
			return template{}, fmt.Errorf("has no variable {%s} to name: there are {%s}", name, strings.Join(names[:], "}, {"))
		}
		t.parts = append(t.parts, part{text: text, variable: Variable(v)})
		text, rest = "", after
	}
	if len(t.parts) == 0 {
		t.fixed = []byte(value)
		return t, nil
	}
	if text != "" {
		t.parts = append(t.parts, part{text: text, last: true})
	}
	return t, nil
}

// cut finds the first name in braces.
func cut(s string) (before, name, after string, found bool) {
	for from := 0; ; {
		open := strings.IndexByte(s[from:], '{')
		if open < 0 {
			return s, "", "", false
		}
		open += from
		end := open + 1
		for end < len(s) && (s[end] == '_' || 'a' <= s[end] && s[end] <= 'z') {
			end++
		}
		if end > open+1 && end < len(s) && s[end] == '}' {
			return s[:open], s[open+1 : end], s[end+1:], true
		}
		from = open + 1
	}
}

// append appends the value. What a variable brings was read from a message or
// comes from a catalog: whatever could end the field in it is replaced.
func (t *template) append(to []byte, v Values) []byte {
	for i := range t.parts {
		p := &t.parts[i]
		to = append(to, p.text...)
		if p.last {
			break
		}
		from := len(to)
		to = v.AppendVariable(to, p.variable)
		for j, c := range to[from:] {
			if c < ' ' || c == 0x7f {
				to[from+j] = '?'
			}
		}
	}
	return to
}
