package accesslog

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// whole is a request of which everything is known.
func whole() *Entry {
	return &Entry{
		Time: time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.FixedZone("", 3600)), Duration: 1234567 * time.Microsecond, UpstreamTime: 90 * time.Microsecond,
		Method: "GET", Path: "/a%20b?token=secret", Protocol: "HTTP/1.1", Status: 200, BytesIn: 3, BytesOut: 4567, Attempts: 2,
		Upstream: "web", Backend: "web-1", Zone: "z1", Outcome: "ok", Error: "reset by peer", Client: "127.0.0.1",
		TraceID: [16]byte{0x4b, 15: 0x36}, SpanID: [8]byte{1, 7: 2},
		RequestHeaders: []string{"curl/8", "https://shop/?key=secret"}, ResponseHeaders: []string{"text/html"},
	}
}

var wanted = [][]string{{"User-Agent", "Referer"}, {"Content-Type"}}

func TestFormats(t *testing.T) {
	for _, test := range []struct {
		format      string
		entry       *Entry
		want, empty string
	}{
		{Common, whole(), `127.0.0.1 - - [04/Mar/2026:05:06:07 +0100] "GET /a%20b HTTP/1.1" 200 4567`, `- - - [-] "- - -" - 0`},
		{JSON, whole(), `{"time":"2026-03-04T04:06:07.089Z","client":"127.0.0.1","method":"GET","path":"/a%20b","protocol":"HTTP/1.1","status":200,` +
			`"bytes_in":3,"bytes_out":4567,"duration":1.234567,"upstream_time":0.000090,"attempts":2,"upstream":"web","backend":"web-1","zone":"z1",` +
			`"outcome":"ok","error":"reset by peer","trace_id":"4b000000000000000000000000000036","span_id":"0100000000000002",` +
			`"request_headers":{"User-Agent":"curl/8","Referer":"https://shop/"},"response_headers":{"Content-Type":"text/html"}}`,
			`{"bytes_in":0,"bytes_out":0,"duration":0.000000,"upstream_time":0.000000,"attempts":0}`},
		{`{{{upstream}/{backend}}} {duration} {error} "{error}" {request_header:user-agent} {response_header:X-More}|`, whole(),
			`{web/web-1} 1.234567 reset\x20by\x20peer "reset by peer" curl/8 -|`, `{-/-} 0.000000 - "-" - -|`},
		{`{trace_id} {span_id} {time}`, whole(), `4b000000000000000000000000000036 0100000000000002 2026-03-04T04:06:07.089Z`, `- - -`},
		{`{request_header:referer}`, whole(), `https://shop/`, `-`},
	} {
		f, err := Parse(test.format, wanted[0], wanted[1])
		if err != nil {
			t.Errorf("%s: %v", test.format, err)
			continue
		}
		if got := string(f.append(nil, test.entry)); got != test.want {
			t.Errorf("%s:\n%s\nnot\n%s", test.format, got, test.want)
		}
		if got := string(f.append(nil, new(Entry))); got != test.empty {
			t.Errorf("%s, of nothing:\n%s\nnot\n%s", test.format, got, test.empty)
		}
	}
}

func TestFormatsThatCannotBe(t *testing.T) {
	for _, test := range []struct{ format, header, want string }{
		{"", "", "no format"},
		{"off", "", "no format"},
		{"plain", "", "has no field"},
		{"{path", "", "the { at 1 is not closed"},
		{"{path} }", "", "a } at 8 closes nothing"},
		{"{Path}", "", "there is no field {Path}; there are time, client"},
		{"{path}\n", "", "a control character at 7"},
		{"{request_header:Authorization}", "", "holds credentials"},
		{"{response_header:set-cookie}", "", "holds credentials"},
		{"{request_header:}", "", `no header is called ""`},
		{"{request_header:a b}", "", `no header is called "a b"`},
		{JSON, "Cookie", "holds credentials"},
		{JSON, "a:b", "no header is called"},
	} {
		var names []string
		if test.header != "" {
			names = []string{test.header}
		}
		for _, lists := range [][2][]string{{names, nil}, {nil, names}} {
			if _, err := Parse(test.format, lists[0], lists[1]); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q %q: %v", test.format, lists, err)
			}
		}
	}
}

// No value can end its line, leave its quotes, or look like another field.
func TestValuesAreEscaped(t *testing.T) {
	const evil = "a\"b\\c\nd\re\tf\x1b[31mg\x00h\x7fi\u0085j\u2028k\u202el\xffm é\ufeff"
	e := &Entry{Method: evil, Path: evil, Protocol: evil, Client: evil, Error: evil, Upstream: evil, RequestHeaders: []string{evil}}
	f, err := Parse(`{method} "{error}" {request_header:X}`, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const text = `a\"b\\c\x0ad\x0de\x09f\x1b[31mg\x00h\x7fi\xc2\x85j\xe2\x80\xa8k\xe2\x80\xael\xffm`
	const rest = `\xc3\xa9\xef\xbb\xbf`
	if got, want := string(f.append(nil, e)), text+`\x20`+rest+` "`+text+" "+rest+`" `+text+`\x20`+rest; got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	f, err = Parse(JSON, []string{"X"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	line := f.append(nil, e)
	for _, want := range []string{`"error":"a\"b\\c\nd\re\tf\u001b[31mg\u0000h\u007fi\u0085j\u2028k\u202el\ufffdm é\ufeff"`} {
		if !strings.Contains(string(line), want) {
			t.Errorf("%s\nlacks\n%s", line, want)
		}
	}
	var got struct {
		Error   string
		Headers map[string]string `json:"request_headers"`
	}
	if err := json.Unmarshal(line, &got); err != nil || got.Error != strings.ToValidUTF8(evil, "\ufffd") || got.Headers["X"] != got.Error {
		t.Errorf("%v: %q", err, got)
	}
}

func TestValuesAreBounded(t *testing.T) {
	e := &Entry{Error: strings.Repeat("é", valueLimit)}
	for _, format := range []string{JSON, "{error}"} {
		f, err := Parse(format, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if line := f.append(nil, e); len(line) > 5*valueLimit || !utf8.Valid(line) {
			t.Errorf("%s: %d bytes", format, len(line))
		}
	}
}

// Whatever a format string is, it is refused or writes one line.
func FuzzFormat(f *testing.F) {
	for _, seed := range []string{Common, commonFormat, JSON, "{{{path}}}", "{request_header:X-Y}\"{error}\"", "{path", "}}{{", "{request_header:Cookie}"} {
		f.Add(seed, "X")
	}
	f.Fuzz(func(t *testing.T, format, header string) {
		parsed, err := Parse(format, []string{header}, nil)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') && !strings.ContainsRune(format+header, '\n') {
				t.Errorf("%q", err)
			}
			return
		}
		request, response := parsed.Headers()
		for _, name := range append(request, response...) {
			if Denied(name) {
				t.Errorf("%q lets %s through", format, name)
			}
		}
		e := whole()
		e.Path, e.Error, e.RequestHeaders = "/\n", "\x00\r\n", []string{"\n\"", "\r"}
		if line := parsed.append(nil, e); strings.ContainsAny(string(line), "\n\r\x00") {
			t.Errorf("%q writes %q", format, line)
		}
	})
}

// Whatever a value is, it stays within its quotes and its line.
func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "a\"b\\", "\xff\xc3", "\u2028\u202e", strings.Repeat("é", valueLimit)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, word := range []bool{true, false} {
			b := appendText(nil, s, word)
			for i, c := range b {
				if c < ' ' || c >= 0x7f || word && c == ' ' {
					t.Fatalf("%q has %q at %d", b, c, i)
				}
			}
			if strings.Contains(strings.NewReplacer(`\\`, "", `\"`, "").Replace(string(b)), `"`) {
				t.Fatalf("%q leaves its quotes", b)
			}
		}
		b := appendJSON(nil, s)
		var back string
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); len(s) <= valueLimit && strings.ReplaceAll(back, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Fatalf("%q came back as %q", s, back)
		}
		for _, r := range string(b) {
			if r < ' ' || r >= 0x7f && odd(r) {
				t.Fatalf("%q has %q", b, r)
			}
		}
	})
}
