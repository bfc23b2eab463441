package http1

import (
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

const ok = "HTTP/1.1 200 OK\r\n"

var refusedResponses = []struct{ rule, input string }{
	{"both lengths", ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"both lengths with a status without a body", "HTTP/1.1 304 x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"two lengths", ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"},
	{"a list of lengths", ok + "Content-Length: 3,3\r\n\r\n"},
	{"a length that is none", ok + "Content-Length: -3\r\n\r\n"},
	{"an empty length", ok + "Content-Length: \r\n\r\n"},
	{"a length that is none with a status without a body", "HTTP/1.1 304 x\r\nContent-Length: a\r\n\r\n"},
	{"an unknown coding", ok + "Transfer-Encoding: gzip\r\n\r\n"},
	{"a coding before chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
	{"chunked twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"a transfer coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{"a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"},
	{"bare LFs only", "HTTP/1.1 200 OK\n\n"},
	{"a folded line", ok + "A: b\r\n c\r\n\r\n"},
	{"a NUL", ok + "A: b\x00\r\n\r\n"},
	{"a space before the colon", ok + "A : b\r\n\r\n"},
	{"a name that is no token", ok + "A b: c\r\n\r\n"},
	{"an empty line first", "\r\n" + ok + "\r\n"},
	{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
	{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
	{"a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n"},
	{"a status with a sign", "HTTP/1.1 +20 OK\r\n\r\n"},
	{"a status below 100", "HTTP/1.1 099 x\r\n\r\n"},
	{"a status beyond 599", "HTTP/1.1 600 x\r\n\r\n"},
	{"two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n"},
	{"a tab before the status", "HTTP/1.1\t200 OK\r\n\r\n"},
	{"a tab after the status", "HTTP/1.1 200\tOK\r\n\r\n"},
	{"a control character in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n"},
	{"a bare CR in the reason", "HTTP/1.1 200 O\rK\r\n\r\n"},
	{"no status", "HTTP/1.1\r\n\r\n"},
	{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"},
	{"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"},
	{"another protocol", "ICY 200 OK\r\n\r\n"},
	{"garbage", "\x16\x03\x01\x02\x00\r\n\r\n"},
	{"an interim answer with a length", "HTTP/1.1 103 x\r\nContent-Length: 3\r\n\r\nabc"},
	{"an interim answer in chunks", "HTTP/1.1 100 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{"a switch of protocols with a length", "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: a\r\nContent-Length: 3\r\n\r\nabc"},
	{"too many fields", ok + strings.Repeat("A: b\r\n", 17) + "\r\n"},
	{"a status line that is too long", "HTTP/1.1 200 " + strings.Repeat("a", 100) + "\r\n\r\n"},
	{"a header that is too large", ok + "A: " + strings.Repeat("b", 1000) + "\r\n\r\n"},
}

func TestResponsesThatAreRefused(t *testing.T) {
	for _, test := range refusedResponses {
		t.Run(test.rule, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				events := play(t, small, method, test.input)
				if len(events) != 1 || !strings.HasPrefix(events[0], "error 502 ") {
					t.Errorf("%q: got %q", test.input, events)
				}
			}
		})
	}
}

var responses = []struct{ rule, method, input, want string }{
	{"a length", "GET", ok + "Content-Length: 3\r\n\r\nabc", `200 length 3 declared -1 {}/body "abc" trailers {}`},
	{"a length of 0", "GET", ok + "Content-Length: 0\r\n\r\n", `200 length 0 declared -1 {}/body "" trailers {}`},
	{"chunks", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n", `200 length -1 declared -1 {}/body "abc" trailers {A: b}`},
	{"until the end", "GET", ok + "\r\nabc", `200 length -1 declared -1 {} until eof last/body "abc" trailers {}`},
	{"until the end in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc", `200 length -1 declared -1 {Connection: keep-alive} until eof last/body "abc" trailers {}`},
	{"HEAD with a length", "HEAD", ok + "Content-Length: 3\r\n\r\n", `200 length 0 declared 3 {} head/body "" trailers {}`},
	{"HEAD in chunks", "HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", `200 length 0 declared -1 {} head/body "" trailers {}`},
	{"HEAD with neither", "HEAD", ok + "\r\n", `200 length 0 declared -1 {} head/body "" trailers {}`},
	{"a method in lower case is another", "head", ok + "Content-Length: 3\r\n\r\nabc", `200 length 3 declared -1 {}/body "abc" trailers {}`},
	{"204", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", `204 length 0 declared -1 {}/body "" trailers {}`},
	{"204 with a length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", `204 length 0 declared -1 {} last/body "" trailers {}`},
	{"204 in chunks", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", `204 length 0 declared -1 {} last/body "" trailers {}`},
	{"304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", `304 length 0 declared 3 {}/body "" trailers {}`},
	{"CONNECT", "CONNECT", ok + "\r\n", `200 length 0 declared -1 {}/body "" trailers {}`},
	{"CONNECT that is refused", "CONNECT", "HTTP/1.1 405 x\r\nContent-Length: 3\r\n\r\nabc", `405 length 3 declared -1 {}/body "abc" trailers {}`},
	{"no reason", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", `200 length 0 declared -1 {}/body "" trailers {}`},
	{"no space before the reason", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", `200 length 0 declared -1 {}/body "" trailers {}`},
	{"a reason of some words", "GET", "HTTP/1.1 599 Gar nicht sch\u00f6n\t!\r\nContent-Length: 0\r\n\r\n", `599 length 0 declared -1 {}/body "" trailers {}`},
	{"close", "GET", ok + "Connection: close\r\nContent-Length: 0\r\n\r\n", `200 length 0 declared -1 {Connection: close} last/body "" trailers {}`},
	{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", `200 length 0 declared -1 {} last/body "" trailers {}`},
	{"HTTP/1.0 with keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", `200 length 0 declared -1 {Connection: keep-alive}/body "" trailers {}`},
	{"interim answers", "GET", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 x\r\nContent-Length: 0\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na",
		`103 length 0 declared -1 {Link: a}/body "" trailers {}/100 length 0 declared -1 {}/body "" trailers {}/200 length 1 declared -1 {}/body "a" trailers {}`},
	{"101", "GET", "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", `101 length 0 declared -1 {Connection: Upgrade|Upgrade: websocket} upgrade websocket/body "" trailers {}`},
	{"101 without Connection", "GET", "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", `101 length 0 declared -1 {Upgrade: websocket}/body "" trailers {}`},
	{"101 to h2c", "GET", "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", `101 length 0 declared -1 {Connection: Upgrade|Upgrade: h2c}/body "" trailers {}`},
	{"an upgrade with an interim answer", "GET", "HTTP/1.1 103 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", `103 length 0 declared -1 {Connection: Upgrade|Upgrade: websocket}/body "" trailers {}`},
	{"an upgrade with another status", "GET", ok + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n", `200 length 0 declared -1 {Connection: Upgrade|Upgrade: websocket}/body "" trailers {}`},
	{"a Host and an expectation mean nothing", "GET", ok + "Host: \x80\r\nHost: a\r\nExpect: b\r\nContent-Length: 0\r\n\r\n", "200 length 0 declared -1 {Host: \x80|Host: a|Expect: b}/body \"\" trailers {}"},
	{"a body that is cut short", "GET", ok + "Content-Length: 4\r\n\r\nabc", `200 length 4 declared -1 {}/data "abc"/error 400 the body is cut short`},
	{"chunks that are cut short", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", `200 length -1 declared -1 {}/data "abc"/error 400 the body is cut short`},
}

func TestResponsesThatAreRead(t *testing.T) {
	for _, test := range responses {
		t.Run(test.rule, func(t *testing.T) {
			if events := strings.Join(play(t, small, test.method, test.input), "/"); events != test.want {
				t.Errorf("%q:\n got %s\nwant %s", test.input, events, test.want)
			}
		})
	}
}

// What is parsed into again keeps nothing of what was there.
func TestParseResponseStartsAnew(t *testing.T) {
	var r message.Response
	for _, head := range []string{"HTTP/1.1 101 x\r\nConnection: close, upgrade\r\nUpgrade: a\r\n\r\n", ok + "\r\n", ok + "Content-Length: 0\r\n\r\n"} {
		if err := ParseResponse([]byte(head), Limits{}, []byte("GET"), &r); err != nil {
			t.Fatal(err)
		}
	}
	if got := showResponse(&r); got != "200 length 0 declared -1 {}" {
		t.Error(got)
	}
}
