package accesslog

import (
	"fmt"
	"slices"
	"strings"
)

// The formats that have names.
const (
	Off    = "off"
	JSON   = "json"
	Common = "common"
)

// commonFormat is that of NCSA's httpd.
const commonFormat = `{client} - - [{time_common}] "{method} {path} {protocol}" {status} {bytes_out}`

// Format is how a line looks. It is made once and never changes.
type Format struct {
	parts             []part
	json              bool
	request, response headers
}

// headers are those that a format has of one side.
type headers struct {
	names []string
	urls  []bool // which of them are URLs
}

// part is what stands in a line at one place: a literal, and then a field or a
// header.
type part struct {
	literal string
	field   *field // nil: the line is over, or it is a header
	header  int    // 1 and on: of the request's headers, below 0: of the response's; 0: none
	quoted  bool   // a quote is open, so that spaces part nothing
}

// Parse reads a format: "json", "common" or a format string, in which {name}
// stands for a field, {request_header:NAME} and {response_header:NAME} for a
// header, and {{ and }} for a brace. JSON has the headers that are named here,
// all others those of their own too.
func Parse(format string, request, response []string) (*Format, error) {
	f := &Format{}
	for _, h := range []struct {
		to    *headers
		names []string
	}{{&f.request, request}, {&f.response, response}} {
		for _, name := range h.names {
			if _, err := h.to.place(name); err != nil {
				return nil, err
			}
		}
	}
	switch format {
	case JSON:
		f.json = true
		for _, known := range fields() {
			f.parts = append(f.parts, part{literal: `"` + known.name + `":`, field: &known})
		}
		return f, nil
	case Common:
		format = commonFormat
	case "", Off:
		return nil, fmt.Errorf("no format %q", format)
	}
	return f, f.parse(format)
}

func (f *Format) parse(format string) error {
	var literal strings.Builder
	quoted := false
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case (c == '{' || c == '}') && strings.HasPrefix(format[i+1:], string(c)):
			literal.WriteByte(c)
			i++
		case c == '}':
			return fmt.Errorf("a } at %d closes nothing; write }} for the brace itself", i+1)
		case c == '{':
			name, _, ok := strings.Cut(format[i+1:], "}")
			if !ok {
				return fmt.Errorf("the { at %d is not closed; write {{ for the brace itself", i+1)
			}
			p, err := f.part(name)
			if err != nil {
				return err
			}
			p.literal, p.quoted = literal.String(), quoted
			literal.Reset()
			f.parts = append(f.parts, p)
			i += len(name) + 1
		case c < ' ' && c != '\t' || c == 0x7f:
			return fmt.Errorf("a control character at %d", i+1)
		default:
			quoted = quoted != (c == '"')
			literal.WriteByte(c)
		}
	}
	if len(f.parts) == 0 {
		return fmt.Errorf("the format %q has no field, such as {path}", format)
	}
	f.parts = append(f.parts, part{literal: literal.String()})
	return nil
}

func (f *Format) part(name string) (part, error) {
	if header, ok := strings.CutPrefix(name, "request_header:"); ok {
		n, err := f.request.place(header)
		return part{header: n + 1}, err
	}
	if header, ok := strings.CutPrefix(name, "response_header:"); ok {
		n, err := f.response.place(header)
		return part{header: -n - 1}, err
	}
	known := append(fields(), commonTime())
	for i := range known {
		if known[i].name == name {
			return part{field: &known[i]}, nil
		}
	}
	return part{}, fmt.Errorf("there is no field {%s}; there are %s", name, strings.Join(Fields(), ", "))
}

// Fields are the names that may stand in a format string.
func Fields() []string {
	var names []string
	for _, f := range append(fields(), commonTime()) {
		names = append(names, f.name)
	}
	return append(names, "request_header:NAME", "response_header:NAME")
}

// place is where a header is among the others, at whose end it is put when it
// is new.
func (h *headers) place(name string) (int, error) {
	switch {
	case !validHeader(name):
		return 0, fmt.Errorf("no header is called %q", name)
	case Denied(name):
		return 0, fmt.Errorf("the header %s holds credentials and is never written", name)
	}
	i := slices.IndexFunc(h.names, func(known string) bool { return strings.EqualFold(known, name) })
	if i < 0 {
		i = len(h.names)
		h.names, h.urls = append(h.names, name), append(h.urls, holdsURL(name))
	}
	return i, nil
}

// value is one of those that an Entry has, in their order.
func (h *headers) value(values []string, i int) string {
	switch {
	case i >= len(values):
		return ""
	case h.urls[i]:
		return withoutQuery(values[i])
	}
	return values[i]
}

// Headers are the names of the headers whose values an Entry is to have. They
// must not be changed.
func (f *Format) Headers() (request, response []string) { return f.request.names, f.response.names }

// append writes one line, without its end.
func (f *Format) append(b []byte, e *Entry) []byte {
	if f.json {
		return f.appendObject(b, e)
	}
	for i := range f.parts {
		p := &f.parts[i]
		b = append(b, p.literal...)
		switch {
		case p.header > 0:
			b = appendText(b, f.request.value(e.RequestHeaders, p.header-1), !p.quoted)
		case p.header < 0:
			b = appendText(b, f.response.value(e.ResponseHeaders, -p.header-1), !p.quoted)
		case p.field == nil:
		case p.field.text != nil:
			b = appendText(b, p.field.text(e), p.field.word || !p.quoted)
		default:
			before := len(b)
			if b = p.field.bare(b, e); len(b) == before {
				b = append(b, '-')
			}
		}
	}
	return b
}

// appendObject writes a JSON object. What is not known is left out.
func (f *Format) appendObject(b []byte, e *Entry) []byte {
	b = append(b, '{')
	for i := range f.parts {
		p := &f.parts[i]
		switch {
		case p.field.text != nil:
			if s := p.field.text(e); s != "" {
				b = appendJSON(append(b, p.literal...), s)
				b = append(b, ',')
			}
		case p.field.number != nil:
			before := len(b)
			b = append(b, p.literal...)
			at := len(b)
			if b = p.field.number(b, e); len(b) == at {
				b = b[:before]
				continue
			}
			b = append(b, ',')
		default:
			before := len(b)
			b = append(append(b, p.literal...), '"')
			at := len(b)
			if b = p.field.plain(b, e); len(b) == at {
				b = b[:before]
				continue
			}
			b = append(b, '"', ',')
		}
	}
	b = f.request.append(b, `"request_headers":`, e.RequestHeaders)
	b = f.response.append(b, `"response_headers":`, e.ResponseHeaders)
	b[len(b)-1] = '}' // in place of the comma, for the duration is always there
	return b
}

// append writes an object of those that are known, and nothing where there are
// none.
func (h *headers) append(b []byte, key string, values []string) []byte {
	before := len(b)
	b = append(append(b, key...), '{')
	at := len(b)
	for i, name := range h.names {
		if value := h.value(values, i); value != "" {
			b = append(appendJSON(b, name), ':')
			b = append(appendJSON(b, value), ',')
		}
	}
	if len(b) == at {
		return b[:before]
	}
	b[len(b)-1] = '}'
	return append(b, ',')
}
