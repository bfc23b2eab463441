package http1

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

const get = "GET / HTTP/1.1\r\nHost: a\r\n"
const post = "POST / HTTP/1.1\r\nHost: a\r\n"

// refusedRequests are what no reader may be left to guess about. The name of
// each is the rule.
var refusedRequests = []struct {
	rule, input string
	status      int
}{
	{"both lengths", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"both lengths, the other way round", post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
	{"both lengths, of an unknown coding", post + "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\n", 400},
	{"two lengths that differ", post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
	{"two lengths that are the same", post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
	{"two lengths of 0", post + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
	{"a list of lengths", post + "Content-Length: 3, 3\r\n\r\n", 400},
	{"a length with a plus", post + "Content-Length: +3\r\n\r\n", 400},
	{"a length with a minus", post + "Content-Length: -3\r\n\r\n", 400},
	{"a length in hexadecimal", post + "Content-Length: 0x3\r\n\r\n", 400},
	{"a length with a space in it", post + "Content-Length: 1 0\r\n\r\n", 400},
	{"a length with an underscore", post + "Content-Length: 1_0\r\n\r\n", 400},
	{"a length that is empty", post + "Content-Length:\r\n\r\n", 400},
	{"a length that overflows", post + "Content-Length: 9223372036854775808\r\n\r\n", 400},
	{"a length that overflows twice", post + "Content-Length: 18446744073709551619\r\n\r\n", 400},
	{"a length of other digits", post + "Content-Length: \u0663\r\n\r\n", 400},
	{"an unknown coding", post + "Transfer-Encoding: gzip\r\n\r\n", 501},
	{"identity", post + "Transfer-Encoding: identity\r\n\r\n", 501},
	{"a coding before chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
	{"a coding before chunked in another line", post + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
	{"a coding after chunked", post + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
	{"chunked twice", post + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
	{"chunked in two lines", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"an empty coding", post + "Transfer-Encoding:\r\n\r\n", 400},
	{"an empty coding after chunked", post + "Transfer-Encoding: chunked,\r\n\r\n", 400},
	{"an empty coding before chunked", post + "Transfer-Encoding: ,chunked\r\n\r\n", 400},
	{"chunked with a parameter", post + "Transfer-Encoding: chunked;q=1\r\n\r\n", 501},
	{"chunked in quotes", post + "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
	{"almost chunked", post + "Transfer-Encoding: xchunked\r\n\r\n", 501},
	{"chunked behind a vertical tab", post + "Transfer-Encoding: \vchunked\r\n\r\n", 400},
	{"chunked with a Kelvin sign", post + "Transfer-Encoding: chun\u212aed\r\n\r\n", 501},
	{"chunked in a folded line", post + "Transfer-Encoding:\r\n chunked\r\n\r\n", 400},
	{"a transfer coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	{"a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
	{"a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
	{"a bare LF before a field", get + "\nA: b\r\n\r\n", 400},
	{"bare LFs only", "GET / HTTP/1.1\nHost: a\n\n", 400},
	{"a bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
	{"a bare LF in a value", get + "A: b\nC: d\r\n\r\n", 400},
	{"a bare CR in a value", get + "A: b\rC: d\r\n\r\n", 400},
	{"a bare CR before the end of a line", get + "A: b\r\r\n\r\n", 400},
	{"a bare CR in a name", get + "A\rb: c\r\n\r\n", 400},
	{"a bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a bare CR for a line", get + "\r\r\n\r\n", 400},
	{"a folded line", get + "A: b\r\n c\r\n\r\n", 400},
	{"a folded line with a tab", get + "A: b\r\n\tc\r\n\r\n", 400},
	{"a fold of the first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
	{"a NUL in a value", get + "A: b\x00c\r\n\r\n", 400},
	{"a NUL in a name", get + "A\x00: b\r\n\r\n", 400},
	{"a NUL in place of a CR", get + "A: b\x00\nC: d\r\n\r\n", 400},
	{"a DEL in a value", get + "A: b\x7f\r\n\r\n", 400},
	{"an escape in a value", get + "A: \x1b[2J\r\n\r\n", 400},
	{"a control character after others that are fine", get + "A: 12345678\t12345678\x01\r\n\r\n", 400},
	{"a space before the colon", get + "A : b\r\n\r\n", 400},
	{"a tab before the colon", get + "A\t: b\r\n\r\n", 400},
	{"a space before the colon of a length", post + "Content-Length : 3\r\n\r\n", 400},
	{"a space before the colon of a coding", post + "Transfer-Encoding : chunked\r\n\r\n", 400},
	{"a name with a space", get + "A b: c\r\n\r\n", 400},
	{"no name", get + ": b\r\n\r\n", 400},
	{"no colon", get + "A\r\n\r\n", 400},
	{"a name that is no token", get + "A(b): c\r\n\r\n", 400},
	{"a name that is not ASCII", get + "\u00c4: c\r\n\r\n", 400},
	{"a method that is no token", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two spaces after the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
	{"a space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two versions", "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"two empty lines first", "\r\n\r\n" + get + "\r\n", 400},
	{"a bare LF first", "\n" + get + "\r\n", 400},
	{"an empty request", "\r\n\r\n", 400},
	{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
	{"two Hosts", get + "Host: b\r\n\r\n", 400},
	{"two Hosts that are the same", get + "host: a\r\n\r\n", 400},
	{"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
	{"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	{"a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
	{"a Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	{"a list of Hosts", "GET / HTTP/1.1\r\nHost: a:1,b:2\r\n\r\n", 400},
	{"a Host that is not ASCII", "GET / HTTP/1.1\r\nHost: \u00e4\r\n\r\n", 400},
	{"a Host with a port that is no number", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
	{"a Host with a port that is too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
	{"a Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400},
	{"a Host that is a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400},
	{"a Host with an address that is none", "GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n", 400},
	{"a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
	{"a Host with a broken escape", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400},
	{"absolute-form to another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"absolute-form to another port", "GET http://a:81/ HTTP/1.1\r\nHost: a:80\r\n\r\n", 400},
	{"absolute-form and an empty Host", "GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n", 400},
	{"absolute-form without a host", "GET http:///a HTTP/1.1\r\nHost:\r\n\r\n", 400},
	{"absolute-form without Host", "GET http://a/ HTTP/1.1\r\n\r\n", 400},
	{"absolute-form with a user", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"absolute-form with a user in HTTP/1.0", "GET http://u@a/ HTTP/1.0\r\n\r\n", 400},
	{"absolute-form with an escape in the host", "GET http://a%2Fb/ HTTP/1.1\r\nHost: a%2Fb\r\n\r\n", 400},
	{"absolute-form with https", "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"absolute-form of another scheme", "GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a scheme without an authority", "GET http:a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405},
	{"CONNECT to a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
	{"authority-form", "GET a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400},
	{"a relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a target that is a query", "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"* with a method other than OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"* and more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a control character in the target", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a DEL in the target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a target that is not ASCII", "GET /\u00e4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"a broken escape in the path", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"an escape that is cut short", "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"an escape that the query completes", "GET /%2?0 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
	{"HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
	{"HTTP without a version", "GET /\r\nHost: a\r\n\r\n", 400},
	{"a version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
	{"a version with more digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
	{"another protocol", "GET / ICY/1.1\r\nHost: a\r\n\r\n", 400},
	{"another expectation", post + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n", 417},
	{"an expectation more", post + "Expect: 100-continue, b\r\nContent-Length: 1\r\n\r\n", 417},
	{"a trailer that would frame", post + "Transfer-Encoding: chunked\r\nTrailer: a, content-length\r\n\r\n", 400},
	{"too many options of Connection", get + "Connection: " + strings.Repeat("a,", maxOptions+1) + "\r\n\r\n", 400},
	{"too many fields", get + strings.Repeat("A: b\r\n", 16) + "\r\n", 431},
	{"a header that is too large", get + "A: " + strings.Repeat("b", 1000) + "\r\n\r\n", 431},
	{"a header that is too large and has no end", get + "A: " + strings.Repeat("b", 1000), 431},
	{"a request line that is too long", "GET /" + strings.Repeat("a", 100) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
	{"a request line that is too long and has no end", "GET /" + strings.Repeat("a", 200), 414},
	{"a request line that is too long after an empty one", "\r\nGET /" + strings.Repeat("a", 200), 414},
}

// small limits that the tests reach.
var small = Limits{Bytes: 1000, Fields: 16, Line: 100}

func TestRequestsThatAreRefused(t *testing.T) {
	for _, test := range refusedRequests {
		t.Run(test.rule, func(t *testing.T) {
			events := play(t, small, "", test.input)
			if len(events) != 1 || !strings.HasPrefix(events[0], fmt.Sprintf("error %d ", test.status)) {
				t.Errorf("%q: want %d, got %q", test.input, test.status, events)
			}
		})
	}
}

var requests = []struct{ rule, input, want string }{
	{"the least", "GET / HTTP/1.0\r\n\r\n", `GET / 1.0 host "" length 0 {} last`},
	{"a Host", get + "\r\n", `GET / 1.1 host "a" length 0 {}`},
	{"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", `GET / 1.1 host "" length 0 {}`},
	{"a Host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", `GET / 1.1 host "a:" length 0 {}`},
	{"a Host that is an address", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", `GET / 1.1 host "[2001:db8::1]:80" length 0 {}`},
	{"a Host with an escape", "GET / HTTP/1.1\r\nHost: a%2Fb\r\n\r\n", `GET / 1.1 host "a%2Fb" length 0 {}`},
	{"an empty line first", "\r\n" + get + "\r\n", `GET / 1.1 host "a" length 0 {}`},
	{"white space around values", get + "A:b\r\nC: \t d e \t\r\nF:\r\nG: \r\n\r\n", `GET / 1.1 host "a" length 0 {A: b|C: d e|F: |G: }`},
	{"values that are not ASCII", get + "A: \u00e4\xff\tb\r\n\r\n", "GET / 1.1 host \"a\" length 0 {A: \u00e4\xff\tb}"},
	{"colons in a value", get + "A: b:c: d\r\n\r\n", `GET / 1.1 host "a" length 0 {A: b:c: d}`},
	{"all that a token may have", get + "!#$%&'*+-.^_`|~0aZ: b\r\n\r\n", "GET / 1.1 host \"a\" length 0 {!#$%&'*+-.^_`|~0aZ: b}"},
	{"another method", "PURGE_x /a?b=%&c=d?e HTTP/1.1\r\nHost: a\r\n\r\n", `PURGE_x /a?b=%&c=d?e 1.1 host "a" length 0 {}`},
	{"a path that looks like an authority", "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n", `GET //b/c 1.1 host "a" length 0 {}`},
	{"escapes in the path", "GET /%2F%c3%a4 HTTP/1.1\r\nHost: a\r\n\r\n", `GET /%2F%c3%a4 1.1 host "a" length 0 {}`},
	{"* for OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", `OPTIONS * 1.1 host "a" length 0 {}`},
	{"absolute-form", "GET http://a:80/b?c HTTP/1.1\r\nHost: A:80\r\n\r\n", `GET /b?c 1.1 host "a:80" length 0 {}`},
	{"absolute-form in upper case", "GET HTTP://a/b HTTP/1.1\r\nHost: a\r\n\r\n", `GET /b 1.1 host "a" length 0 {}`},
	{"absolute-form without a path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", `GET / 1.1 host "a" length 0 {}`},
	{"absolute-form with a query", "GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", `GET /?b 1.1 host "a" length 0 {}`},
	{"absolute-form of OPTIONS", "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", `OPTIONS * 1.1 host "a" length 0 {}`},
	{"absolute-form in HTTP/1.0", "GET http://a/ HTTP/1.0\r\n\r\n", `GET / 1.0 host "a" length 0 {} last`},
	{"a length", post + "Content-Length: 3\r\n\r\nabc", `POST / 1.1 host "a" length 3 {}`},
	{"a length of 0", post + "Content-Length: 0\r\n\r\n", `POST / 1.1 host "a" length 0 {}`},
	{"a length with zeros first", post + "Content-Length: 003\r\n\r\nabc", `POST / 1.1 host "a" length 3 {}`},
	{"chunked", post + "transfer-encoding: Chunked\r\n\r\n0\r\n\r\n", `POST / 1.1 host "a" length -1 {}`},
	{"the end of the connection", get + "Connection: x, CLOSE\r\n\r\n", `GET / 1.1 host "a" length 0 {Connection: x, CLOSE} last`},
	{"keep-alive in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", `GET / 1.0 host "" length 0 {Connection: Keep-Alive}`},
	{"close and keep-alive", "GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", `GET / 1.0 host "" length 0 {Connection: close|Connection: keep-alive} last`},
	{"an expectation", post + "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", `POST / 1.1 host "a" length 1 {} expect`},
	{"an expectation without a body", get + "Expect: 100-continue\r\n\r\n", `GET / 1.1 host "a" length 0 {}`},
	{"an expectation in HTTP/1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", `POST / 1.0 host "" length 1 {} last`},
	{"an upgrade", get + "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", `GET / 1.1 host "a" length 0 {Connection: keep-alive, Upgrade|Upgrade: websocket} upgrade websocket`},
	{"an upgrade to h2c", get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\n\r\n", `GET / 1.1 host "a" length 0 {Connection: Upgrade, HTTP2-Settings|Upgrade: H2C}`},
	{"an upgrade to h2c or another", get + "Connection: upgrade\r\nUpgrade: h2c, foo/2\r\n\r\n", `GET / 1.1 host "a" length 0 {Connection: upgrade|Upgrade: h2c, foo/2} upgrade foo/2`},
	{"an upgrade that is no protocol", get + "Connection: upgrade\r\nUpgrade: a b\r\n\r\n", `GET / 1.1 host "a" length 0 {Connection: upgrade|Upgrade: a b}`},
	{"an upgrade that Connection does not name", get + "Upgrade: websocket\r\n\r\n", `GET / 1.1 host "a" length 0 {Upgrade: websocket}`},
	{"an upgrade in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n", `GET / 1.0 host "" length 0 {Connection: upgrade, keep-alive|Upgrade: websocket}`},
	{"just as many fields", get + strings.Repeat("A: b\r\n", 15) + "\r\n", `GET / 1.1 host "a" length 0 {` + strings.Repeat("|A: b", 15)[1:] + "}"},
	{"just as many bytes", get + "A: " + strings.Repeat("b", 1000-32) + "\r\n\r\n", `GET / 1.1 host "a" length 0 {A: ` + strings.Repeat("b", 1000-32) + "}"},
	{"just as long a request line", "GET /" + strings.Repeat("a", 86) + " HTTP/1.1\r\nHost: a\r\n\r\n", `GET /` + strings.Repeat("a", 86) + ` 1.1 host "a" length 0 {}`},
}

func TestRequestsThatAreRead(t *testing.T) {
	for _, test := range requests {
		t.Run(test.rule, func(t *testing.T) {
			events := play(t, small, "", test.input)
			if len(events) != 2 || events[0] != test.want || !strings.HasPrefix(events[1], "body ") {
				t.Errorf("%q:\n got %q\nwant %q", test.input, events, test.want)
			}
		})
	}
}

func TestRequestsInOneStream(t *testing.T) {
	input := post + "Content-Length: 3\r\n\r\nabc\r\n" + get + "\r\n" +
		post + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n" + get + "\r\nGET"
	want := []string{
		`POST / 1.1 host "a" length 3 {}`, `body "abc" trailers {}`,
		`GET / 1.1 host "a" length 0 {}`, `body "" trailers {}`,
		`POST / 1.1 host "a" length -1 {}`, `body "abc" trailers {A: b}`,
		`GET / 1.1 host "a" length 0 {}`, `body "" trailers {}`,
		`cut short`,
	}
	if got := play(t, Limits{}, "", input); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// What is parsed into again keeps nothing of what was there but the peer.
func TestParseRequestStartsAnew(t *testing.T) {
	var r message.Request
	r.Peer = netip.MustParseAddrPort("127.0.0.1:1")
	full := post + "Expect: 100-continue\r\nContent-Length: 3\r\nConnection: close, upgrade\r\nUpgrade: a\r\n\r\n"
	for _, head := range []string{full, get + "\r\n"} {
		if err := ParseRequest([]byte(head), Limits{}, &r); err != nil {
			t.Fatal(err)
		}
	}
	if got := showRequest(&r); got != `GET / 1.1 host "a" length 0 {}` || !r.Peer.IsValid() {
		t.Errorf("%s of %v", got, r.Peer)
	}
}

// A head that ends nowhere, or that End did not find, is refused and not run
// over.
func TestParseRequestWithoutAnEnd(t *testing.T) {
	whole := get + "A: b\r\n\r\n"
	var r message.Request
	for i := range whole {
		if err := ParseRequest([]byte(whole[:i]), Limits{}, &r); err == nil {
			t.Errorf("%q is read", whole[:i])
		}
	}
	if err := ParseRequest([]byte(whole+"x"), Limits{}, &r); err == nil {
		t.Error("what follows the end is read over")
	}
}
