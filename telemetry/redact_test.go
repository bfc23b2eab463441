package telemetry

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRedact(t *testing.T) {
	for query, want := range map[string]string{
		"":                             "",
		"a=1&b=2":                      "a=1&b=2",
		"sig=x":                        "sig=REDACTED",
		"a=1&X-Amz-Signature=x&b=":     "a=1&X-Amz-Signature=REDACTED&b=",
		"%73ig=x":                      "%73ig=REDACTED",
		"sig":                          "sig",
		"sig=":                         "sig=",
		"Sig=x":                        "Sig=x", // the list tells cases apart
		"&&sig=a=b&":                   "&&sig=REDACTED&",
		"X-Goog-Signature=%zz&x=%zz&=": "X-Goog-Signature=REDACTED&x=%zz&=",
	} {
		if got := redactQuery(query); got != want {
			t.Errorf("%q: %q, not %q", query, got, want)
		}
	}
	for target, want := range map[string]string{
		"*":            "http://web.local:8080/*",
		"/":            "http://web.local:8080/",
		"/?":           "http://web.local:8080/",
		"/a%2Fb?sig=x": "http://web.local:8080/a%2Fb?sig=REDACTED",
		"/x?y?sig=x&z": "http://web.local:8080/x?y?sig=x&z", // the parameter is "y?sig"
	} {
		r := request("OPTIONS", "http://web.local:8080/")
		r.Target = []byte(target)
		if got := string(appendRedacted(nil, r)); got != want {
			t.Errorf("%s: %s, not %s", target, got, want)
		}
	}
}

func FuzzRedactQuery(f *testing.F) {
	f.Add("a=1&sig=secret&b")
	f.Add("%73ig=secret;x&=&sig=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		got := redactQuery(query)
		if strings.Count(got, "&") != strings.Count(query, "&") {
			t.Fatalf("%q: %q has other parameters", query, got)
		}
		values, _ := url.ParseQuery(got) // what can be read of it
		for key, all := range values {
			for _, v := range all {
				if sensitive(key) && v != "" && v != redacted {
					t.Fatalf("%q: %q tells %s", query, got, key)
				}
			}
		}
		if s := text(got); len(s) > 3*textLimit || !utf8.ValidString(s) {
			t.Fatalf("%q cannot be exported", s)
		}
	})
}
